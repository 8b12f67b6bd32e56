/** Finds out about one address: whether it can be connected to, how fast, its certificate and its first bytes. */
import { type Address, formatAddress } from '../lib/endpoints/address.js'
import type { DialOptions, Leg } from '../lib/endpoints/endpoint.js'
import { dial } from '../lib/endpoints/open.js'
import { carrierOf } from '../lib/endpoints/reliable.js'
import type { CertificateFacts } from '../lib/endpoints/tls/certificate.js'
import type { ClientContext } from '../lib/endpoints/tls/secure-context.js'
import { errorCode, errorMessage, TcpPipeError } from '../lib/text/errors.js'

/** What is known of an address. Times are milliseconds. */
export interface Finding {
  readonly address: string
  /** `closed`: it cannot be connected to. `failed`: it can, but `send` would fail: the TLS handshake, the certificate. */
  state: 'open' | 'closed' | 'failed'
  connectTime?: number
  handshakeTime?: number
  tls?: TlsFinding
  /** The first bytes that the peer has sent, as text. */
  banner?: string
  /** Asked for a banner, the peer has ended its side without a byte. */
  ended?: true
  error?: string
  code?: string | undefined
}

export interface TlsFinding extends Omit<CertificateFacts, 'problem'> {
  readonly protocol: string
  readonly cipher: string
  readonly alpn?: string
  /** Whether the certificate is the right one: by the pin if that alone decides, otherwise by its chain, dates and name. */
  readonly verified: boolean
  /** Whether the public key is one of the pins, if there are any. */
  readonly pinned?: boolean
  /** Why it does not verify. */
  readonly problem?: string
}

export interface ProbeOptions extends DialOptions {
  /** Milliseconds to wait for the first bytes of the peer. Undefined: does not read. */
  readonly banner?: number | undefined
}

/** Maximum number of bytes of a banner. */
const bannerSize = 256

/** Milliseconds after the first bytes in which more of the same line may come. */
const lineTime = 200

/** Milliseconds for the end of the connection. */
const endTime = 1000

/** Connects, looks, and closes. Never rejects. */
export async function probe(address: Address, { banner, ...options }: ProbeOptions): Promise<Finding> {
  const finding: Finding = { address: formatAddress(address), state: 'closed' }
  const started = performance.now()
  const onConnect = () => {
    finding.state = 'failed' // until the handshake is over
    finding.connectTime = since(started)
  }
  const { tls } = options
  const lenient = tls && { ...tls, verify: false, pins: undefined } // a refused certificate is of interest, too
  try {
    const place = address.scheme === 'reliable' ? carrierOf(address) : address // a session would begin a transfer
    const leg = await dial(place, { ...options, tls: lenient, onConnect })
    finding.state = 'open'
    if (tls) finding.handshakeTime = since(started + (finding.connectTime ?? 0))
    if (tls) await describeTls(finding, leg, tls)
    if (banner !== undefined && finding.state === 'open') await readBanner(finding, leg, banner)
    await leave(leg)
  } catch (error) {
    fail(finding, error)
  }
  return finding
}

async function describeTls(finding: Finding, leg: Leg, { verify, pins }: ClientContext): Promise<void> {
  const { certificateOf } = await import('../lib/endpoints/tls/certificate.js')
  const certificate = certificateOf(leg.stream)
  if (!certificate || !leg.facts.tls) return
  const { protocol, cipher, alpn } = leg.facts.tls
  const { problem: unverified, ...facts } = certificate
  const wrong = pins && !pins.includes(facts.pin) ? wrongPin(facts.pin, pins) : undefined
  const problem = wrong ?? (pins && !verify ? undefined : unverified)
  finding.tls = {
    ...{ protocol, cipher, ...(alpn && { alpn }), verified: problem === undefined },
    ...(pins && { pinned: wrong === undefined }),
    ...(problem && { problem: errorMessage(problem) }),
    ...facts,
  }
  if (problem && (wrong || verify)) refuse(finding, problem)
}

function wrongPin(pin: string, pins: readonly string[]): TcpPipeError {
  return new TcpPipeError('ERR_PIN', `the server's public key is ${pin}; expected ${pins.join(' or ')}`)
}

/** Reads to the end of the first line, or as long as the peer keeps sending. */
function readBanner(finding: Finding, { stream }: Leg, time: number): Promise<void> {
  const chunks: Buffer[] = []
  return new Promise(resolve => {
    const done = (error?: Error) => {
      clearTimeout(timer)
      const bytes = Buffer.concat(chunks).subarray(0, bannerSize)
      if (bytes.length > 0) finding.banner = bytes.toString()
      else if (error) refuse(finding, error)
      resolve()
    }
    let timer = setTimeout(done, time)
    stream.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      clearTimeout(timer)
      timer = setTimeout(done, Math.min(time, lineTime))
      if (chunk.includes('\n') || Buffer.concat(chunks).length >= bannerSize) done()
    })
    stream
      .once('end', () => {
        if (chunks.length === 0) finding.ended = true
        done()
      })
      .once('error', done)
  })
}

/** Ends our side, so that the peer sees a clean end, and closes. */
async function leave({ stream }: Leg): Promise<void> {
  if (stream.destroyed) return
  await new Promise<void>(resolve => {
    const timer = setTimeout(resolve, endTime)
    stream.once('close', resolve).once('close', () => clearTimeout(timer))
    stream.end(() => stream.destroy())
  })
  stream.destroy()
}

function refuse(finding: Finding, error: unknown): void {
  finding.state = 'failed'
  fail(finding, error)
}

function fail(finding: Finding, error: unknown): void {
  finding.error = errorMessage(error)
  finding.code = errorCode(error)
}

function since(start: number): number {
  return Math.round((performance.now() - start) * 10) / 10
}
