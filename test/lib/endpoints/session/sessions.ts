/** Two sides of a session for tests: a listener, and whoever dials it. */
import type { Test } from 'tap'
import type { Leg } from '../../../../lib/endpoints/endpoint.js'
import { reliable } from '../../../../lib/endpoints/reliable.js'
import type { DialSession, ListenSession } from '../../../../lib/endpoints/session/options.js'

export interface SessionListener {
  readonly port: number
  /** The sessions that have begun, in order. */
  readonly legs: Leg[]
  /** Those that could not, in order. */
  readonly failures: Error[]
  /** Resolves with the session of a number. */
  leg(number?: number): Promise<Leg>
  failure(number?: number): Promise<Error>
  close(): Promise<void>
}

/** Listens for sessions until the end of the test. */
export async function sessionListener(
  t: Test,
  session: ListenSession = {},
  handshakeTimeout?: number,
): Promise<SessionListener> {
  const [legs, failures] = [[] as Leg[], [] as Error[]]
  const address = { scheme: 'reliable', host: '127.0.0.1', port: 0 } as const
  const waiting: (() => void)[] = []
  const changed = () => waiting.splice(0).forEach(call => void call())
  const listener = await (reliable.listen as NonNullable<typeof reliable.listen>)(
    address,
    ({ open }) => {
      Promise.resolve(open({ handshakeTimeout }))
        .then(
          leg => leg && legs.push(leg),
          error => failures.push(error),
        )
        .then(changed)
    },
    { accept: undefined, session },
  )
  const nth = async <T>(list: T[], number: number): Promise<T> => {
    while (list.length <= number) await new Promise<void>(resolve => waiting.push(resolve))
    return list[number] as T
  }
  t.teardown(() => {
    for (const leg of legs) leg.stream.destroy()
    void listener.close()
  })
  return {
    port: listener.bound.port,
    legs,
    failures,
    leg: (number = 0) => nth(legs, number),
    failure: (number = 0) => nth(failures, number),
    close: () => listener.close(),
  }
}

/** Dials a session, a tunnel unless the options say otherwise. */
export async function dialled(t: Test, port: number, session: DialSession = {}, options: object = {}): Promise<Leg> {
  const address = { scheme: 'reliable', host: '127.0.0.1', port } as const
  const dial = reliable.dial as NonNullable<typeof reliable.dial>
  const leg = await dial(address, { retryInterval: 5, ...options, session: { kind: 'tunnel', ...session } })
  t.teardown(() => void leg.stream.destroy())
  return leg
}

/** The arguments of a test with both sides connected. */
export async function sessionPair(
  t: Test,
  {
    listen = {},
    dial = {},
    given = {},
    through = async (port: number) => port,
  }: {
    listen?: ListenSession
    dial?: DialSession
    given?: object
    through?: (port: number) => Promise<number>
  } = {},
): Promise<{ near: Leg; far: Leg; listener: SessionListener }> {
  const listener = await sessionListener(t, listen)
  const near = await dialled(t, await through(listener.port), dial, given)
  return { near, far: await listener.leg(), listener }
}
