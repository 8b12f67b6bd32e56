import t from 'tap'
import * as api from '../../lib/index.js'

t.test('the public names', async t => {
  t.strictSame(Object.keys(api).sort(), [
    ...[
      'TcpPipeError',
      'blockBytes',
      'bytes',
      'checkTrigger',
      'choice',
      'compose',
      'concatenate',
      'control',
      'defineTransform',
    ],
    ...[
      'duration',
      'eachJson',
      'eachLine',
      'faultStage',
      'fileSink',
      'fileSource',
      'flag',
      'flushable',
      'formatAddress',
      'formatRemote',
      'gate',
      'groups',
    ],
    ...[
      'integer',
      'isSendError',
      'list',
      'many',
      'mergeStats',
      'metrics',
      'none',
      'number',
      'parseAddress',
      'partsOf',
      'pipe',
      'pipelineOf',
      'proxy',
      'records',
      'regexp',
      'send',
      'serve',
      'serveUi',
      'snapshots',
      'specOf',
      'stop',
      'text',
      'transferLinks',
      'triggerOptions',
      'verdict',
      'words',
    ],
  ])
})

t.test('the names work together', async t => {
  const server = await api.serve({ port: 0, reply: true, transforms: () => [api.compose(api.eachLine(x => x.length))] })
  t.teardown(() => server.close({ drain: 0 }))
  t.equal(api.formatAddress({ scheme: 'tcp', host: '::1', port: 1 }), '[::1]:1')
  t.equal(server.address.address, '127.0.0.1')
})

/** Inserts a text at each place. */
const inject = api.defineTransform({
  name: 'inject',
  summary: 'insert a text',
  unit: 'bytes',
  options: { text: api.text('the text', { required: true }), ...api.triggerOptions },
  check: values => api.checkTrigger(values),
  create({ text, ...values }, context) {
    function* write(chunk: Buffer, fault: api.Fault) {
      const start = fault.position()
      let from = 0
      for (const { offset } of fault.places(chunk)) {
        yield chunk.subarray(from, offset - start)
        yield text
        from = offset - start
        fault.fire(offset)
      }
      yield chunk.subarray(from)
    }
    return api.faultStage({ name: 'inject', values, context, needsByte: true }, fault => ({
      write: (chunk: Buffer) => write(chunk, fault),
      destroy: fault.over,
    }))
  },
})

/** Fails at its place. */
const crash = api.defineTransform({
  name: 'crash',
  summary: 'fail',
  unit: 'bytes',
  options: api.triggerOptions,
  check: values => api.checkTrigger(values),
  create: (values, context) =>
    api.faultStage({ name: 'crash', values, context, needsByte: false }, fault =>
      api.gate({
        ...fault,
        at: values.at,
        strike(gate, offset) {
          fault.fire(offset)
          gate.fail(fault.error(offset))
        },
      }),
    ),
})

t.test('faults of a user’s own', async t => {
  const summaries: Promise<api.Summary>[] = []
  const onConnection = ({ closed }: api.Connection) => void summaries.push(closed)
  const transforms = () => [inject({ text: '!', on: 'ab', nth: 2 }), crash({ after: 8, connection: 2 })]
  const server = await api.serve({ port: 0, reply: true, transforms, onConnection })
  t.teardown(() => server.close({ drain: 0 }))
  let reply = ''
  const output = () =>
    new WritableStream({
      write(chunk) {
        reply += Buffer.from(chunk)
      },
    })
  const exchange = (from: api.SourceInput) => api.send({ port: server.address.port, from, output: output() })
  await exchange(['a', 'bababab'])
  t.equal(reply, 'abab!abab')
  await t.rejects(exchange('abababab'), { code: 'ECONNRESET' })
  await exchange('short')
  t.match(await Promise.all(summaries), [
    { faults: [{ fault: 'inject', offset: 4 }] },
    {
      faults: [{}, { fault: 'crash', offset: 8 }],
      error: { code: 'ERR_FAULT', message: /crash after=8 connection=2/ },
    },
    { warnings: ['forward: inject on=ab nth=2 never fired: 0 of 2 found'] },
  ])
  t.throws(() => crash({ at: 5, after: 5 }), { message: 'crash takes at= or after=, not both' })
})
