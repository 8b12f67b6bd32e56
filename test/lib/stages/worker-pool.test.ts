import { spawnSync } from 'node:child_process'
import diagnostics from 'node:diagnostics_channel'
import { once } from 'node:events'
import { statSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { MessagePort, Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import { runInThread, type ThreadStage } from '../../../lib/stages/worker-pool.js'
import { until } from '../network.js'

const module = new URL('../../../transforms/registry.js', import.meta.url).href
const hex = { source: { module, name: 'hex' }, options: { plain: true } }
const modules = t.testdir({
  'spin.mjs': `import { appendFileSync } from 'node:fs'
    export default chunk => { appendFileSync(String(chunk), 'x'); for (;;); }`,
})
const spin = { source: { path: join(modules, 'spin.mjs') }, options: {} }

interface Running {
  readonly port: MessagePort
  close(): void
}

/** Resolves when a thread begins it, and rejects if it is lost before. */
function open(stage: ThreadStage, lost?: (reason: string) => void): Promise<Running> {
  return new Promise((resolve, reject) => {
    const close = runInThread(stage, 1000, {
      begun: port => void resolve({ port, close }),
      lost: lost ?? (reason => reject(new Error(reason))),
    })
  })
}

async function works(t: Test, { port, close }: Running): Promise<void> {
  const answered = new Promise(resolve =>
    port.on('message', message => message instanceof Uint8Array && resolve(String(Buffer.from(message)))),
  )
  port.postMessage(Buffer.from('a'))
  port.postMessage('end')
  t.equal(await answered, '61\n')
  close()
}

/** The threads that begin from now on. */
function threadsOf(t: Test): Worker[] {
  const begun: Worker[] = []
  const note = (message: unknown) => void begun.push((message as { worker: Worker }).worker)
  diagnostics.subscribe('worker_threads', note)
  t.teardown(() => diagnostics.unsubscribe('worker_threads', note))
  return begun
}

/** Stages that spin. */
async function spinning(t: Test, count: number): Promise<Running[]> {
  const marks = join(t.testdir(), 'marks')
  writeFileSync(marks, '')
  const all = []
  for (let i = 1; i <= count; i++) {
    const running = await open(spin)
    running.port.postMessage(Buffer.from(marks))
    await until(() => statSync(marks).size === i)
    all.push(running)
  }
  return all
}

t.test('stages that would wait for one that works for ever go to other threads', async t => {
  const [now, wait, speed] = [performance.now.bind(performance), setTimeout, 4]
  t.intercept(performance, 'now', { value: () => now() * speed })
  t.intercept(globalThis, 'setTimeout', {
    value: (work: () => void, time: number) => wait(work, time > 100 ? time / speed : time),
  })
  const alive = setInterval(() => {}, 1000) // threads without stages do not keep the process alive
  t.teardown(() => clearInterval(alive))
  const begun = threadsOf(t)
  const most = Math.max(2, availableParallelism() - 1)
  const lost: string[] = []
  for (let i = 0; i < most; i++) await open(hex, reason => lost.push(reason))
  const stuck = await spinning(t, most)
  const rest = await Promise.all(Array.from({ length: 3 * most }, () => open(hex)))
  for (const each of rest) await works(t, each)
  stuck.push(...(await spinning(t, most)))
  await t.rejects(open(hex), { message: 'no thread has begun it in 30 s: they work on other connections' })
  const spinners = [...begun]
  t.equal(spinners.length, 2 * most, 'as many threads again')
  const later = Array.from({ length: 4 * most }, () => open(hex))
  const dropped = runInThread(hex, 1000, { begun: () => t.fail(), lost: () => t.fail() })
  dropped()
  dropped()
  await spinners.at(-1)?.terminate() // what it has not begun goes elsewhere
  for (const { close } of stuck) close()
  for (const each of later) await works(t, await each)
  await Promise.all(spinners.map(worker => worker.threadId === -1 || once(worker, 'exit')))
  const reason = 'its thread has ended: it has worked for 30 s on a record of a connection that has ended'
  t.same(lost, Array(most).fill(reason))
  t.ok(
    begun.slice(2 * most).some(worker => worker.threadId !== -1),
    'one that answers stays',
  )
})

t.test('stages share few threads', async t => {
  const threads = () => process.getActiveResourcesInfo().filter(name => name === 'MessagePort').length
  const before = threads()
  const all = await Promise.all(Array.from({ length: 20 }, () => open(hex)))
  t.ok(threads() - before <= 20 + 2 * availableParallelism())
  for (const running of all) await works(t, running)
})

t.test('a stage that leaves before it has begun is none', async t => {
  const close = runInThread(hex, 1000, { begun: () => t.fail(), lost: () => t.fail() })
  close()
  close()
  await works(t, await open(hex)) // by then the thread has answered for both
})

t.test('options that cannot be sent', async t => {
  const options = { call: () => {} }
  t.throws(() => runInThread({ ...hex, options }, 1000, { begun() {}, lost() {} }), { name: 'DataCloneError' })
})

t.test('a thread that ends tells its stages, and its place is free', async t => {
  const lostBy = (module: string) =>
    new Promise(
      resolve => void open({ source: { module: `data:text/javascript,${module}`, name: 'x' }, options: {} }, resolve),
    )
  t.equal(await lostBy('process.exit(3)'), 'its thread has ended: it has exited with 3')
  t.equal(await lostBy('setImmediate(() => { throw new Error("boom") })'), 'its thread has ended: boom')
  const memory = 'setImmediate(() => { throw Object.assign(new Error(), { code: "ERR_WORKER_OUT_OF_MEMORY" }) })'
  t.equal(await lostBy(memory), 'its thread has ended: it has run out of memory')
})

t.test('options that cannot be sent do not keep the process alive', async t => {
  const pool = new URL('../../../lib/stages/worker-pool.js', import.meta.url).href
  const code = `import { runInThread } from '${pool}'
    try { runInThread({ source: { path: 'x' }, options: { call() {} } }, 1, {}) } catch { console.log('thrown') }`
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { timeout: 20_000 })
  t.same([status, String(stdout)], [0, 'thrown\n'])
})
