import { availableParallelism } from 'node:os'
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
