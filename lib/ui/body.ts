/** The bodies of requests and answers. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { securityHeaders } from './guard.js'
import { Refusal } from './refusal.js'

const mostBytes = 1024 ** 2

/** Reads a JSON object. Nothing is an empty one. */
export async function readObject(request: IncomingMessage): Promise<Record<string, unknown>> {
  const text = (await readBytes(request)).toString()
  if (text.trim() === '') return {}
  const value = parse(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Refusal(400, 'the body of the request is no JSON object')
  return value as Record<string, unknown>
}

async function readBytes(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    if (size > mostBytes) throw new Refusal(413, `the body of the request has more than ${mostBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export function sendJson(
  response: ServerResponse,
  status: number,
  value: unknown,
  headers?: Readonly<Record<string, string>>,
): void {
  sendBytes(response, status, 'application/json; charset=utf-8', Buffer.from(JSON.stringify(value)), headers)
}

/** Sends no body for HEAD: Node leaves it out. */
export function sendBytes(
  response: ServerResponse,
  status: number,
  type: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): void {
  const own = { 'content-type': type, 'content-length': body.length }
  response.writeHead(status, { ...securityHeaders, ...own, ...headers }).end(body)
}
