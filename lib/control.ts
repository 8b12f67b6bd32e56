/** control: a server on a unix socket that answers requests about another server, one JSON value per line. */
import { type AddressInput, formatAddress, toAddress } from './endpoints/address.js'
import { serve } from './serve.js'
import { type Look, openLook } from './server/look.js'
import type { Remote, Server } from './server/server.js'
import { eachLine, type Stage } from './stages/stage.js'
import { errorMessage, TcpPipeError } from './text/errors.js'
import { formatBound } from './text/remote.js'
import { checkValues } from './text/values.js'

/** The options of `control`. */
export interface ControlOptions {
  /** A unix socket, or an address `memory:…`. The permissions of a unix socket are 0600 unless it has a `mode`. */
  listen: AddressInput
  /** Facts that `stats` adds to its result, such as a name. Default: none. */
  about?: object | undefined
}

/** The server that is controlled. */
export type Controlled = Pick<Server, 'address' | 'stats' | 'measure'> &
  Remote & { readonly connections: ReadonlySet<ControlledConnection> }

/** A connection that is controlled. */
export interface ControlledConnection {
  readonly number: number
  close(reason?: string): unknown
  reset(reason?: string): void
}

/** The maximum number of bytes in a request. */
const longestRequest = 65_536

/** The maximum number of clients at the same time: their descriptors are those that servers leave free. */
const mostClients = 32

/**
 * Starts a server that answers requests about another one: `stats`, and `close` and `reset` of a connection. Resolves
 * when it listens. If `server` is a promise, requests wait for it.
 *
 * @throws `ERR_OPTION` or `ERR_ADDRESS` before anything is opened; the system error if it cannot listen
 */
export async function control(server: Controlled | PromiseLike<Controlled>, options: ControlOptions): Promise<Server> {
  checkValues(options, { listen: 'address', about: 'object' })
  const { about = {} } = options
  const address = toAddress(options.listen)
  if (address.scheme !== 'unix' && address.scheme !== 'memory')
    throw new TcpPipeError('ERR_ADDRESS', `'${formatAddress(address)}' is not allowed; expected unix:path`)
  let look: Look | undefined
  const looked = async (): Promise<Looked> => {
    const controlled = await server
    look ??= openLook(controlled)
    return { server: controlled, look }
  }
  return serve({
    ...{ listen: address, ...(address.scheme === 'unix' && { socketMode: address.mode ?? 0o600 }) },
    ...{ reply: true, idleTimeout: 0, maxConnections: mostClients, maxRecord: 2 * longestRequest },
    transforms: (): Stage[] => [shortenLines(), eachLine(async line => answer(await looked(), about, line))],
  })
}

/** Drops the bytes of a line that are beyond the limit by more than one: the connection goes on after such a line. */
function shortenLines(): (chunk: Buffer) => Buffer {
  let room = longestRequest + 1 // in the current line
  return chunk => {
    const kept: Buffer[] = []
    for (let at = 0; at < chunk.length; ) {
      const lf = chunk.indexOf('\n', at)
      const end = lf < 0 ? chunk.length : lf
      const part = chunk.subarray(at, Math.min(end, at + room))
      kept.push(part, chunk.subarray(end, end + 1))
      room = lf < 0 ? room - part.length : longestRequest + 1
      at = end + 1
    }
    return Buffer.concat(kept)
  }
}

interface Looked {
  readonly server: Controlled
  readonly look: Look
}

interface Request {
  readonly id?: unknown
  readonly method?: unknown
  readonly connection?: unknown
}

type Answer = { readonly id: unknown } & (
  | { readonly result: object }
  | { readonly error: { readonly message: string } }
)

async function answer(looked: Looked, about: object, line: string): Promise<Answer> {
  let id: unknown = null
  try {
    const request = parse(line)
    id = request.id ?? null
    await looked.server.refresh?.()
    return { id, result: perform(looked, about, request) }
  } catch (error) {
    return { id, error: { message: errorMessage(error) } }
  }
}

function parse(line: string): Request {
  if (Buffer.byteLength(line) > longestRequest) fault(`a request is longer than ${longestRequest} bytes`)
  const request = parseJson(line)
  if (typeof request === 'object' && request !== null && !Array.isArray(request)) return request
  return fault('a request is a JSON object, such as {"id":1,"method":"stats"}')
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

function perform({ server, look }: Looked, about: object, { method, connection: number }: Request): object {
  if (method === 'stats') {
    look.now()
    return { ...about, address: formatBound(server.address), ...server.stats() }
  }
  if (method !== 'close' && method !== 'reset')
    fault(`method: ${JSON.stringify(method)} is not allowed; expected stats, close or reset`)
  const connection = [...server.connections].find(each => each.number === number)
  if (!connection) fault(`connection: ${JSON.stringify(number)} is not the number of an open connection`)
  if (method === 'close') void connection.close('closed through the control socket')
  else connection.reset('reset through the control socket')
  return { connection: connection.number }
}

function fault(message: string): never {
  throw new TcpPipeError('ERR_OPTION', message)
}
