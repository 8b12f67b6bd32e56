/** Two legs that are connected to each other, over each carrier of the table. */
import type { Test } from 'tap'
import { type Address, endpointFor, parseAddress } from '../../../lib/endpoints/address.js'
import type { Arrival, DialOptions, Leg, Listener, SinkContext } from '../../../lib/endpoints/endpoint.js'
import { openTlsContexts, type TlsContexts } from '../../../lib/endpoints/tls/contexts.js'
import { socketPath } from '../network.js'
import { identity } from '../tls.js'

export const carriers = ['tcp', 'unix', 'tls', 'memory', 'reliable', 'reliable+tls'] as const
export type Carrier = (typeof carriers)[number]

/** Both sides of TLS, with the certificate of the tests. */
export const contexts = await openTlsContexts(
  { scheme: 'tls' },
  { scheme: 'tls' },
  { tls: identity, targetTls: { ca: identity.cert } },
)

/** How the tests dial. */
export const dialling: DialOptions = { tls: contexts.target, session: { kind: 'tunnel' } }

/** Whether a leg is a session: it fails in words. */
export function isSession(carrier: Carrier): boolean {
  return carrier.startsWith('reliable')
}

/** A connection for which a sink is made. */
export const connection: SinkContext = { id: 'abc', remote: '127.0.0.1', port: 4000 }

let names = 0

/** An address to listen on that nobody else has. */
export function ownAddress(t: Test, carrier: Carrier): Address {
  if (carrier === 'memory') return { scheme: 'memory', name: `test ${++names}` }
  if (carrier === 'unix') return { scheme: 'unix', path: socketPath(t) }
  return parseAddress(`${carrier}://127.0.0.1:0`)
}

export interface Listening {
  readonly listener: Listener
  /** The address to dial. */
  readonly to: Address
}

/** Listens at an address until the end of the test. */
export async function listenAt(
  t: Test,
  address: Address,
  arrive: (arrival: Arrival) => void,
  tls: TlsContexts = contexts,
): Promise<Listening> {
  const listener = await endpointFor('listen', address).listen(address, arrive, tls)
  t.teardown(() => void listener.close())
  return { listener, to: 'port' in address ? { ...address, port: listener.bound.port } : address }
}

export interface Pair extends Listening {
  /** The leg that has dialled. */
  readonly near: Leg
  /** The leg that was accepted. */
  readonly far: Leg
}

export async function legPair(t: Test, carrier: Carrier): Promise<Pair> {
  let accept: (leg: Leg | Promise<Leg>) => void
  const accepted = new Promise<Leg>(resolve => {
    accept = resolve
  })
  const listening = await listenAt(t, ownAddress(t, carrier), arrival => accept(arrival.open() as Leg | Promise<Leg>))
  const { to } = listening
  const [far, near] = await Promise.all([accepted, endpointFor('dial', to).dial(to, dialling)])
  t.teardown(() => [near, far].forEach(({ stream }) => void stream.destroy()))
  return { ...listening, near, far }
}
