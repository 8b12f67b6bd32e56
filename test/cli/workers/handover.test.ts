import type { Worker } from 'node:cluster'
import { EventEmitter } from 'node:events'
import t from 'tap'
import { watchHandover } from '../../../cli/workers/handover.js'

function fakeWorker() {
  const sent: unknown[][] = []
  const send = (...words: unknown[]) => sent.push(words)
  const worker = Object.assign(new EventEmitter(), { process: { send } })
  return { worker: watchHandover(worker as unknown as Worker), sent, child: worker.process }
}

/** A connection on its way: what was done to it. */
function handle(more: object = {}) {
  const done: string[] = []
  return { done, close: () => void done.push('close'), ...more }
}

t.test('what a dead worker has not confirmed is reset, or closed where there is no reset', async t => {
  const { worker, sent, child } = fakeWorker()
  const tcp = handle()
  const reset = () => void tcp.done.push('reset')
  const unix = handle()
  const confirmed = handle()
  child.send('one', Object.assign(tcp, { reset }))
  child.send('two', unix, 'more')
  child.send('three', confirmed)
  child.send('a message')
  t.same(
    sent.map(([message]) => message),
    ['one', 'two', 'three', 'a message'],
  )
  t.same(sent[1]?.slice(1), [unix, 'more'])
  confirmed.close()
  worker.emit('exit', null, 'SIGKILL')
  t.same([tcp.done, unix.done, confirmed.done], [['reset'], ['close'], ['close']])
})

t.test('what a worker has given back belongs to the next one', async t => {
  const [one, other] = [fakeWorker(), fakeWorker()]
  const given = handle()
  one.child.send('here', given)
  other.child.send('here', given)
  one.worker.emit('exit', 0, null)
  t.same(given.done, [])
  other.worker.emit('exit', null, 'SIGKILL')
  t.same(given.done, ['close'])
})
