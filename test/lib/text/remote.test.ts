import t from 'tap'
import { formatBound, formatRemote } from '../../../lib/text/remote.js'

t.test('formatRemote', async t => {
  t.equal(formatRemote({ remote: '127.0.0.1', port: 80 }), '127.0.0.1:80')
  t.equal(formatRemote({ remote: '::1', port: 80 }), '[::1]:80')
  t.equal(formatRemote({ remote: 'unix', port: undefined }), 'unix')
})

t.test('where a server listens', async t => {
  t.equal(formatBound({ address: '::1', family: 'IPv6', port: 80 }), '[::1]:80')
  t.equal(formatBound({ address: '/run/x', family: 'unix', port: 0 }), 'unix:/run/x')
})
