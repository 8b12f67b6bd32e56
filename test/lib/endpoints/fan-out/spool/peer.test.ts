import type { Writable } from 'node:stream'
import t, { type Test } from 'tap'
import { Peer } from '../../../../../lib/endpoints/fan-out/spool/peer.js'
import { memorySink, recorder } from '../../../network.js'

const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })

/** A target that refuses the first connections. */
function target(t: Test, refusals: number) {
  const { log, lines } = recorder()
  const abort = new AbortController()
  t.teardown(() => abort.abort())
  let dials = 0
  const dial = async (): Promise<Writable> => {
    dials++
    if (dials <= refusals) throw refused
    return memorySink()
  }
  return { peer: new Peer('there', dial, log), lines, abort, dials: () => dials }
}

t.test('a target that is up is dialled at once', async t => {
  const { peer, abort, lines, dials } = target(t, 0)
  await Promise.all([peer.open(abort.signal), peer.open(abort.signal)])
  t.equal(dials(), 2)
  await peer.retry(async () => {}, abort.signal)
  t.same(lines, [])
})

t.test('while it is down one tries, and the others wait', async t => {
  const { peer, abort, lines, dials } = target(t, 6)
  const sinks = await Promise.all([1, 2, 3].map(() => peer.open(abort.signal)))
  t.equal(sinks.length, 3)
  t.equal(dials(), 9, 'three of them before it was known, and three after it')
  await peer.retry(async () => {}, abort.signal)
  t.match(lines, [
    {
      level: 40,
      msg: 'a further sink takes no data, its spools wait',
      to: 'there',
      error: 'refused',
      code: 'ECONNREFUSED',
    },
    { level: 30, msg: 'a further sink takes data again', to: 'there' },
  ])
  t.equal(lines.length, 2)
})

t.test('a delivery that fails is tried again', async t => {
  const { peer, abort, lines } = target(t, 0)
  let tries = 0
  await peer.retry(async () => {
    tries++
    if (tries < 3) throw refused
  }, abort.signal)
  t.equal(tries, 3)
  t.equal(lines.length, 2)
})

t.test('an abort ends all that wait', async t => {
  const { peer, abort } = target(t, Number.POSITIVE_INFINITY)
  const reason = new Error('over')
  const waiting = [peer.open(abort.signal), peer.open(abort.signal)]
  const retrying = peer.retry(() => Promise.reject(refused), abort.signal)
  await new Promise(resolve => setImmediate(resolve))
  await t.rejects(peer.open(AbortSignal.abort(reason)), reason, 'while another one tries')
  abort.abort(reason)
  for (const each of [...waiting, retrying] as Promise<unknown>[]) await t.rejects(() => each)
  await t.rejects(peer.open(abort.signal))
  await t.rejects(
    peer.retry(() => Promise.reject(refused), abort.signal),
    refused,
  )
})
