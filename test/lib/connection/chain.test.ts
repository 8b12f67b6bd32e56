import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { type OpenChain, openChain } from '../../../lib/connection/chain.js'
import { type OpenConnection, openConnection } from '../../../lib/connection/connection.js'
import { gunzip } from '../../../transforms/gunzip.js'
import { exec, gzip, slice } from '../../../transforms/index.js'
import { socketPair } from '../network.js'

const upper = (chunk: Buffer) => chunk.toString().toUpperCase()

async function connect(t: Test): Promise<OpenConnection> {
  const [socket] = await socketPair(t)
  return openConnection(socket, { log: undefined, maxRecord: undefined, idleTimeout: 0, halfClosedTimeout: 0 })
}

function stream(chain: OpenChain, connection: OpenConnection) {
  const source = new PassThrough()
  const sink = new PassThrough()
  return { source, sink, done: chain.run(connection, source, sink) }
}

t.test('the transforms are made for each connection, and know its direction', async t => {
  const connection = await connect(t)
  const chain = openChain('reply', info => [chunk => `${info.direction} ${info.id} ${chunk}`])
  for (const word of ['a', 'b']) {
    const { source, sink, done } = stream(chain, connection)
    source.end(word)
    t.equal(await text(sink), `reply ${connection.id} ${word}`)
    await done
  }
})

t.test('use changes what is open, and what comes later', async t => {
  const connection = await connect(t)
  const { chain, ...rest } = openChain('forward')
  const before = stream({ chain, ...rest }, connection)
  before.source.write('a')
  await chain.use(() => [upper])
  const after = stream({ chain, ...rest }, connection)
  for (const { source } of [before, after]) source.write('b')
  await chain.clear()
  for (const { source } of [before, after]) source.end('c')
  t.equal(await text(before.sink), 'aBc')
  t.equal(await text(after.sink), 'Bc')
  await before.done
})

t.test('a summary has the meters of the stages that are there at the end', async t => {
  const connection = await connect(t)
  const chain = openChain('forward', () => [upper])
  const { source, sink, done } = stream(chain, connection)
  for (let i = 0; i < 10; i++) await chain.chain.use(() => [upper, new PassThrough()])
  source.end('a')
  t.equal(await text(sink), 'A')
  await done
  connection.fail(new Error('over'))
  t.equal((await connection.finish()).runs.length, 2)
})

t.test(
  'a change is refused while a stage is open that cannot be ended in the middle, and nothing is changed',
  async t => {
    const connection = await connect(t)
    const chain = openChain('reply', () => [gunzip(), exec({ command: ['cat'] })])
    const { source, sink, done } = stream(chain, connection)
    const packed = new PassThrough()
    const compressed = packed.pipe(gzip())
    packed.end('hello')
    for await (const chunk of compressed) source.write(chunk)
    await t.rejects(
      chain.chain.use(() => [upper]),
      {
        code: 'ERR_STAGE',
        message: /^reply: the transforms cannot be changed while gunzip, exec are open, .* in the middle of a stream$/,
      },
    )
    source.end()
    t.equal(await text(sink), 'hello')
    await done
    await chain.chain.use(() => [upper])
  },
)

t.test('one that is open is named so', async t => {
  const connection = await connect(t)
  const chain = openChain('forward', () => [gunzip()])
  const { source, done } = stream(chain, connection)
  done.catch(() => {})
  source.write(Buffer.from([0x1f]))
  await new Promise(resolve => setImmediate(resolve))
  await t.rejects(chain.chain.clear(), { message: /^forward: .* while gunzip is open/ })
  source.end()
  await t.rejects(done, { code: 'ERR_INPUT' })
})

t.test('use takes a function', async t => {
  await t.rejects(openChain('forward').chain.use([] as never), {
    code: 'ERR_OPTION',
    message: /^transforms must be a function/,
  })
})

t.test('a stage that fails, or that cannot be made, fails the connection that has it', async t => {
  const connection = await connect(t)
  const chain = openChain('forward', () => {
    throw new Error('broken')
  })
  await t.rejects(stream(chain, connection).done, { message: 'broken' })
})

t.test('a single stage', async t => {
  const connection = await connect(t)
  const chain = openChain('forward')
  const { source, sink } = stream(chain, connection)
  await chain.chain.use(() => slice({ size: 1 }))
  source.end('abc')
  t.equal(await text(sink), 'abc')
})

t.test('a function that fails for an open connection changes nothing', async t => {
  const connection = await connect(t)
  const chain = openChain('forward', () => upper)
  const streams = [stream(chain, connection), stream(chain, connection)] as const
  for (const { source } of streams) source.write('a')
  let calls = 0
  const broken = () => {
    if (++calls === 2) throw new Error('broken')
    return []
  }
  await t.rejects(chain.chain.use(broken), { message: 'broken' })
  for (const { source, sink } of streams) {
    source.end('b')
    t.equal(await text(sink), 'AB')
  }
})
