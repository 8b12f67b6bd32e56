import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Rights } from './guard.js'

/** A request for a path of the API, whose rights are known. */
export interface Asked {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly query: URLSearchParams
  readonly rights: Rights
}
