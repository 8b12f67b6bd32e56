import { once } from 'node:events'
import { join } from 'node:path'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import t, { type Test } from 'tap'
import { areYouThere, type StageSource } from '../../../lib/stages/worker-pool.js'
import { runStage, serveStages } from '../../../lib/stages/worker-thread.js'
import { until } from '../network.js'

const module = new URL('../../../transforms/registry.js', import.meta.url).href

/** Runs a stage as a thread would, and keeps what it sends. */
function begin(t: Test, source: StageSource, options: Record<string, unknown> = {}) {
  const { port1, port2: port } = new MessageChannel()
  t.teardown(() => port1.close())
  const done = runStage({ source, options, maxRecord: 1000, port })
  return { port: port1, done }
}

/** The next message that does not only say that a block is taken. */
function next(port: MessagePort): Promise<unknown> {
  return new Promise(resolve =>
    port.on('message', message => {
      if (message !== 'taken') resolve(message instanceof Uint8Array ? String(Buffer.from(message)) : message)
    }),
  )
}

t.test('blocks go in and come out, one under way at a time, and then the end', async t => {
  const { port, done } = begin(t, { module, name: 'hex' }, { plain: true })
  const messages: unknown[] = []
  port.on('message', message => {
    messages.push(message instanceof Uint8Array ? String(Buffer.from(message)) : message)
    if (message instanceof Uint8Array) port.postMessage('more')
  })
  port.postMessage(Buffer.from('a'))
  port.postMessage(Buffer.alloc(300_000, 'b'))
  port.postMessage('end')
  await done
  await until(() => messages.at(-1) === 'end')
  t.equal(messages.filter(message => message === 'taken').length, 2)
  const text = messages.filter(message => message !== 'taken' && message !== 'end').join('')
  t.equal(text.replaceAll('\n', ''), `61${'62'.repeat(300_000)}`)
})

t.test('a thread takes requests', async t => {
  const { port1: main, port2: thread } = new MessageChannel()
  const { port1: own, port2: port } = new MessageChannel()
  t.teardown(() => {
    for (const each of [main, own]) each.close()
  })
  serveStages(thread)
  main.postMessage({ source: { module, name: 'hex' }, options: { plain: true }, maxRecord: 1000, port }, [port])
  own.postMessage(Buffer.from('a'))
  own.postMessage('end')
  t.equal(await next(own), '61\n')
  main.postMessage(areYouThere)
  t.equal(await next(main), areYouThere)
})

t.test('an error is sent as plain data', async t => {
  const { port } = begin(t, { module, name: 'unhex' })
  port.postMessage(Buffer.from('zz'))
  port.postMessage('end')
  t.match(await next(port), { error: { name: 'TcpPipeError', code: 'ERR_INPUT', message: /not a hex digit/ } })
})

t.test('a module by its path, and what it does not export', async t => {
  const path = join(t.testdir({ 'a.mjs': 'export default line => line + "!"' }), 'a.mjs')
  const { port } = begin(t, { path })
  port.postMessage(Buffer.from('a'))
  t.equal(await next(port), 'a!')
  const other = begin(t, { module, name: 'nothing' })
  t.match(await next(other.port), { error: { code: 'ERR_MODULE', message: /exports no transform nothing/ } })
})

t.test('a port that closes ends the stage', async t => {
  const { port, done } = begin(t, { module, name: 'hex' })
  port.postMessage(Buffer.from('a'))
  await once(port, 'message')
  port.close()
  await done
  t.pass()
})
