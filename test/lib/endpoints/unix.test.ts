import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { removeStale } from '../../../lib/endpoints/unix.js'
import { listener, socketPath } from '../network.js'

t.test('nothing has the path', async t => {
  await removeStale(socketPath(t))
  t.pass()
})

t.test('a socket that a dead server left is removed', async t => {
  const path = socketPath(t)
  const leave = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`
  t.throws(() => execFileSync(process.execPath, ['-e', leave, path], { stdio: 'ignore' }))
  t.ok(existsSync(path))
  await removeStale(path)
  t.notOk(existsSync(path))
})

t.test('a live socket stays', async t => {
  const path = socketPath(t)
  await listener(t, () => {}, path)
  await removeStale(path)
  t.ok(existsSync(path))
})

t.test('anything else is refused and stays', async t => {
  const dir = t.testdir({ file: 'precious', folder: {} })
  for (const name of ['file', 'folder']) {
    const path = join(dir, name)
    await t.rejects(removeStale(path), {
      code: 'ERR_ADDRESS',
      message: `'unix:${path}': the path exists and is not a socket`,
    })
    t.ok(existsSync(path))
  }
  await t.rejects(removeStale(join(dir, 'file', 'below')), { code: 'ENOTDIR' }, "the system's error")
})
