/**
 * Connects to a host that may have several addresses. Tries them one after another with a head start for each, and uses
 * the first that answers ("Happy Eyeballs", RFC 8305). A slow address is not given up while others are tried: Node (as
 * of 26) gives each 250 ms and no more.
 */
import { ADDRCONFIG, promises as dns } from 'node:dns'
import { isIP, type NetConnectOpts, type SocketConstructorOpts } from 'node:net'
import { TcpPipeError } from '../text/errors.js'
import { DialledSocket } from './tls/alert.js'

/** Milliseconds before the next address is tried, too. */
const headStart = 250

/** As `connect` of Node gives them to the constructor, whose type lacks two of them. */
const socketOptions: SocketConstructorOpts = { allowHalfOpen: true, ...{ keepAlive: true, noDelay: true } }

/** The options of an attempt. */
export type Target = { readonly path: string } | HostTarget

interface HostTarget {
  readonly host: string
  readonly port: number
  readonly localAddress?: string
  readonly localPort?: number
}

interface IpAddress {
  readonly address: string
  readonly family: number
}

interface Route {
  readonly family?: 4 | 6 | undefined
  /** The source address. */
  readonly bind?: { readonly host: string; readonly port: number } | undefined
}

/** Returns the addresses of a host, each with a source address of its family if `bind` is given. */
export async function targetsOf(
  { host, port }: { readonly host: string; readonly port: number },
  { family, bind }: Route,
): Promise<Target[]> {
  const addresses = alternated(await addressesOf(host, family))
  if (!bind) return addresses.map(({ address }) => ({ host: address, port }))
  const sources = await addressesOf(bind.host)
  const targets = addresses.flatMap(({ address, family }) => {
    const source = sources.find(each => each.family === family)
    return source ? [{ host: address, port, localAddress: source.address, localPort: bind.port }] : []
  })
  if (targets.length > 0) return targets
  throw new TcpPipeError('ERR_ADDRESS', `bind: ${bind.host} has no address of the family of ${host}`)
}

async function addressesOf(host: string, family?: 4 | 6): Promise<IpAddress[]> {
  const version = isIP(host)
  if (version > 0) return [{ address: host, family: version }]
  return dns.lookup(host, { all: true, ...(family ? { family } : { hints: ADDRCONFIG }) })
}

/** Alternates the families, beginning with that of the first address. */
function alternated(addresses: readonly IpAddress[]): IpAddress[] {
  const isFirst = ({ family }: IpAddress) => family === addresses[0]?.family
  const [first, other] = [addresses.filter(isFirst), addresses.filter(each => !isFirst(each))]
  return [...first.flatMap((each, i) => [each, ...other.slice(i, i + 1)]), ...other.slice(first.length)]
}

/** A socket that is connected, and the target that it has reached. */
export interface Reached {
  readonly socket: DialledSocket
  readonly target: Target
}

/**
 * Resolves with the first target that answers, and closes the other attempts. Rejects with the error of the target, or
 * with an AggregateError if there are several; or with the reason of `signal` when it aborts.
 */
export function firstToAnswer(targets: readonly Target[], signal: AbortSignal): Promise<Reached> {
  return new Promise((resolve, reject) => {
    const open = new Set<DialledSocket>()
    const errors: Error[] = []
    let next = 0
    let timer: NodeJS.Timeout | undefined

    function end(): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
      for (const socket of open) socket.destroy()
    }

    function abort(): void {
      end()
      reject(signal.reason)
    }

    function tryNext(): void {
      clearTimeout(timer)
      const target = targets[next++] as Target
      const socket = new DialledSocket(socketOptions)
      socket.connect(target as NetConnectOpts)
      const failed = (error: Error) => {
        open.delete(socket)
        errors.push(error)
        if (next < targets.length) tryNext()
        else if (open.size === 0) fail()
      }
      open.add(socket)
      socket.on('error', failed)
      socket.once('connect', () => {
        open.delete(socket)
        end()
        socket.off('error', failed).on('error', ignore)
        resolve({ socket, target })
      })
      if (next < targets.length) timer = setTimeout(tryNext, headStart)
    }

    function fail(): void {
      end()
      const [first] = errors as [NodeJS.ErrnoException]
      reject(errors.length > 1 ? Object.assign(new AggregateError(errors), { code: first.code }) : first)
    }

    if (signal.aborted) return abort()
    signal.addEventListener('abort', abort)
    tryNext()
  })
}

/** The user of the socket handles its errors. */
function ignore(): void {}
