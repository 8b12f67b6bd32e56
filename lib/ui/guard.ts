/** Who may ask: the checks of each request before anything else. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { foreignHost, isOurHost, type Reach } from '../http/listener.js'
import { Refusal } from './refusal.js'

/** The rights of a request. */
export interface Rights {
  readonly mayRead: boolean
  readonly mayChange: boolean
}

/** The headers of every answer: a page of ours loads nothing from elsewhere, and no other page shows or reads it. */
export const securityHeaders = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const

export function newToken(): string {
  return randomBytes(24).toString('base64url')
}

/** Refuses requests that a page of the web could have made, and those with a wrong token. */
export function rightsOf(request: IncomingMessage, token: string, reach: Reach): Rights {
  if (reach === 'loopback' && !isOurHost(request)) throw new Refusal(403, foreignHost)
  const { host, origin, authorization } = request.headers
  if (origin !== undefined && origin !== `http://${host}`) throw new Refusal(403, foreignPage)
  if (isFromElsewhere(request)) throw new Refusal(403, foreignPage)
  const [, given] = /^Bearer +(\S+)$/i.exec(authorization ?? '') ?? []
  const isRight = given !== undefined && isSame(given, token)
  if (authorization !== undefined && !isRight) throw new Refusal(401, 'the token is wrong')
  return { mayRead: isRight || reach !== 'network', mayChange: isRight }
}

const foreignPage = 'the origin of the request is another page'

/**
 * A browser tells of each request who has made it, also of those that have no origin, such as images: answers that do not
 * end would keep others out. Another page may lead to ours.
 */
function isFromElsewhere({ headers }: IncomingMessage): boolean {
  const { 'sec-fetch-site': site = 'none', 'sec-fetch-dest': destination } = headers
  return site !== 'none' && site !== 'same-origin' && destination !== 'document'
}

/** Takes the same time for all tokens. */
function isSame(one: string, other: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(one), digest(other))
}
