/** A listener that takes the first client: an end of a pipeline that waits to be connected to. */
import { abortError, TcpPipeError, timeoutError } from '../text/errors.js'
import { type Arrival, type DialOptions, defineEndpoint, type Leg, type Listener, type ServerSide } from './endpoint.js'
import { parseHostAndPort, type TcpAddress, tcp } from './tcp.js'
import { type UnixAddress, unix } from './unix.js'

type Place = TcpAddress | UnixAddress

export interface ListenAddress {
  readonly scheme: 'listen'
  /** Where to listen. */
  readonly on: Place
}

const prefix = 'listen:'

export const listen = defineEndpoint<ListenAddress>({
  scheme: 'listen',
  syntax: ['listen:address'],
  summary: 'waits for one client, which then is the peer; without a host, on 127.0.0.1',
  accepts: text => text.startsWith(prefix),
  parse(text) {
    const place = text.slice(prefix.length)
    if (unix.accepts(place)) return { scheme: 'listen', on: unix.parse(place) }
    const [, scheme = 'tcp'] = /^(\w+):\/\//.exec(place) ?? []
    if (scheme === 'tcp') return { scheme: 'listen', on: parseHostAndPort(place.replace(/^tcp:\/\//, '')) }
    throw new TcpPipeError('ERR_ADDRESS', `a listener for one client has no ${scheme}; use serve or proxy`)
  },
  complete: ({ on }) => ({ scheme: 'listen', on: completed(on) }),
  format: ({ on }) => `${prefix}${on.scheme === 'unix' ? unix.format(on) : tcp.format(on)}`,
  dial: ({ on }, options) => firstClient(on, options),
})

function completed(on: Place): Place {
  if (on?.scheme === 'unix') return unix.complete(on)
  if (on?.scheme === 'tcp') return tcp.complete(on)
  throw new TcpPipeError('ERR_ADDRESS', 'on must be an address tcp or unix')
}

/** Without `connectTimeout` it waits without limit. */
async function firstClient(on: Place, { signal, connectTimeout = 0, onListening }: DialOptions): Promise<Leg> {
  if (signal?.aborted) throw abortError(signal)
  let settle!: (leg: Leg) => void
  let fail!: (error: Error) => void
  const client = new Promise<Leg>((resolve, reject) => {
    settle = resolve
    fail = reject
  })
  client.catch(() => {}) // awaited below
  let isTaken = false
  const listener = await listenAt(on, arrival => {
    if (isTaken) return arrival.refuse(new TcpPipeError('ERR_CLOSED', 'the listener has its client'))
    isTaken = true
    settle(arrival.open() as Leg)
  })
  const abort = () => fail(abortError(signal as AbortSignal))
  signal?.addEventListener('abort', abort)
  const late = timeoutError('connect', `no client within ${connectTimeout} ms`)
  const timer = connectTimeout > 0 ? setTimeout(fail, connectTimeout, late) : undefined
  try {
    onListening?.(listener.bound)
    return await client
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
    void listener.close()
  }
}

type Arrive = (arrival: Arrival) => void

/** Without TLS, and without a balancer in front. */
const side: ServerSide = { accept: undefined }

function listenAt(on: Place, arrive: Arrive): Promise<Listener> {
  type Able = { listen(on: Place, arrive: Arrive, side: ServerSide): Promise<Listener> }
  return ({ tcp, unix }[on.scheme] as unknown as Able).listen(on, arrive, side)
}
