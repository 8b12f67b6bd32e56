import t from 'tap'
import * as api from '../../lib/index.js'

t.test('the public names', async t => {
  t.strictSame(Object.keys(api).sort(), [
    ...['TcpPipeError', 'blockBytes', 'bytes', 'choice', 'compose', 'concatenate', 'defineTransform', 'duration'],
    ...[
      'eachJson',
      'eachLine',
      'fileSink',
      'fileSource',
      'flag',
      'flushable',
      'formatAddress',
      'formatRemote',
      'groups',
    ],
    ...[
      'integer',
      'isSendError',
      'list',
      'many',
      'none',
      'number',
      'parseAddress',
      'proxy',
      'records',
      'regexp',
      'send',
      'serve',
      'stop',
      'text',
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
