import { spawnSync } from 'node:child_process'
import diagnostics from 'node:diagnostics_channel'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import type { Worker } from 'node:worker_threads'
import t from 'tap'
import { type Running, runInThread } from '../../../lib/stages/worker-pool.js'

const module = new URL('../../../transforms/registry.js', import.meta.url).href
const hex = { source: { module, name: 'hex' }, options: { plain: true } }
const never = (reason: string) => {
  throw new Error(reason)
}

function answer({ port }: Running): Promise<string> {
  return new Promise(resolve =>
    port.on('message', message => message instanceof Uint8Array && resolve(String(Buffer.from(message)))),
  )
}

t.test('a thread that works for ever is ended when nobody needs it any more', async t => {
  let later = 0
  const [now, wait] = [performance.now.bind(performance), setTimeout]
  t.intercept(performance, 'now', { value: () => now() + later })
  t.intercept(globalThis, 'setTimeout', { value: (work: () => void) => wait(work, 50) })
  const alive = setInterval(() => {}, 1000) // threads without stages do not keep the process alive
  t.teardown(() => clearInterval(alive))
  const begun: Worker[] = []
  const note = (message: unknown) => void begun.push((message as { worker: Worker }).worker)
  diagnostics.subscribe('worker_threads', note)
  t.teardown(() => diagnostics.unsubscribe('worker_threads', note))
  const path = 'data:text/javascript,for (;;);'
  const stuck = runInThread({ source: { module: path, name: 'x' }, options: {} }, 1000, never)
  const [worker] = begun as [Worker]
  t.equal(begun.length, 1)
  await once(worker, 'online')
  stuck.close()
  await new Promise(resolve => wait(resolve, 200))
  t.not(worker.threadId, -1, 'it has some time')
  later = 20_000
  await once(worker, 'exit')
  const next = runInThread(hex, 1000, never)
  t.equal(begun.length, 2)
  const answered = answer(next)
  next.port.postMessage(Buffer.from('a'))
  next.port.postMessage('end')
  t.equal(await answered, '61\n')
  next.close()
  await new Promise(resolve => wait(resolve, 200))
  t.not(begun[1]?.threadId, -1, 'one that answers stays')
})

t.test('stages share few threads', async t => {
  const threads = () => process.getActiveResourcesInfo().filter(name => name === 'MessagePort').length
  const before = threads()
  const all = Array.from({ length: 20 }, () => runInThread(hex, 1000, never))
  for (const running of all) {
    const answered = answer(running)
    running.port.postMessage(Buffer.from('a'))
    running.port.postMessage('end')
    t.equal(await answered, '61\n')
  }
  t.ok(threads() - before <= 20 + 2 * availableParallelism())
  for (const running of all) running.close()
})

t.test('options that cannot be sent', async t => {
  const options = { call: () => {} }
  t.throws(() => runInThread({ ...hex, options }, 1000, never), { name: 'DataCloneError' })
})

t.test('a thread that ends tells its stages, and its place is free', async t => {
  const source = { path: `data:text/javascript,process.exit(3)` }
  const reason = await new Promise(resolve => {
    const running = runInThread({ source: { module: source.path, name: 'x' }, options: {} }, 1000, text => {
      running.close()
      resolve(text)
    })
  })
  t.equal(reason, 'it has exited with 3')
  const thrower = 'data:text/javascript,setImmediate(() => { throw new Error("boom") })'
  const other = await new Promise(resolve => {
    runInThread({ source: { module: thrower, name: 'x' }, options: {} }, 1000, resolve)
  })
  t.equal(other, 'boom')
})

t.test('options that cannot be sent do not keep the process alive', async t => {
  const pool = new URL('../../../lib/stages/worker-pool.js', import.meta.url).href
  const code = `import { runInThread } from '${pool}'
    try { runInThread({ source: { path: 'x' }, options: { call() {} } }, 1, () => {}) } catch { console.log('thrown') }`
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { timeout: 20_000 })
  t.same([status, String(stdout)], [0, 'thrown\n'])
})
