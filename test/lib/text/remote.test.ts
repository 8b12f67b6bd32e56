import t from 'tap'
import { formatRemote } from '../../../lib/text/remote.js'

t.test('formatRemote', async t => {
  t.equal(formatRemote({ remote: '127.0.0.1', port: 80 }), '127.0.0.1:80')
  t.equal(formatRemote({ remote: '::1', port: 80 }), '[::1]:80')
  t.equal(formatRemote({ remote: 'unix', port: undefined }), 'unix')
})
