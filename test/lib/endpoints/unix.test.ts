import { execFileSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Leg } from '../../../lib/endpoints/endpoint.js'
import { removeStale, unix, unixAddress } from '../../../lib/endpoints/unix.js'
import { listener, received, socketPath } from '../network.js'
import { listenAt } from './legs.js'

t.test('its address is a path that the kernel takes', async t => {
  t.same(['unix:a', 'unix', '/unix:'].map(unix.accepts), [true, false, false])
  const longest = 'x'.repeat(107)
  t.strictSame(unix.parse('unix:relative:with:colons'), { scheme: 'unix', path: 'relative:with:colons' })
  t.strictSame(unix.complete({ scheme: 'unix', path: longest }), unixAddress(longest))
  t.equal(unix.format(unixAddress('/run/x')), 'unix:/run/x')
  t.strictSame(unix.complete({ scheme: 'unix', path: 'x', mode: 0 }), { scheme: 'unix', path: 'x', mode: 0 })
  for (const [path, message] of [
    ['', 'the path of a unix socket has 1 to 107 bytes, not 0'],
    [`${longest}x`, 'the path of a unix socket has 1 to 107 bytes, not 108'],
    ['é'.repeat(54), 'the path of a unix socket has 1 to 107 bytes, not 108'],
    ['a\0b', 'its path has a NUL character'],
  ] as const) {
    t.throws(() => unix.parse(`unix:${path}`), { code: 'ERR_ADDRESS', message }, message)
    t.throws(() => unix.complete({ scheme: 'unix', path }), { code: 'ERR_ADDRESS', message }, message)
  }
})

t.test('its path is a text', async t => {
  t.throws(() => unixAddress(5 as never), { code: 'ERR_ADDRESS', message: 'its path must be a text' })
})

t.test('it listens and dials; the path is free again when it is closed', async t => {
  const address = unixAddress(socketPath(t))
  const hello = ({ open }: { open(): unknown }) => void (open() as Leg).stream.resume().end('hello')
  for (const _ of [1, 2]) {
    const { listener } = await listenAt(t, address, hello)
    t.same(listener.bound, { address: address.path, family: 'unix', port: 0 })
    const leg = (await unix.dial?.(address, {})) as Leg
    t.same([leg.remote, leg.port], ['unix', undefined])
    t.equal(await received(leg.stream), 'hello')
    leg.stream.end()
    await listener.close()
  }
})

t.test('where somebody listens, or where a file is, it does not listen', async t => {
  const address = unixAddress(socketPath(t))
  await listenAt(t, address, () => {})
  await t.rejects(
    listenAt(t, address, () => {}),
    { code: 'EADDRINUSE' },
    'a live one',
  )
  const file = unixAddress(socketPath(t))
  writeFileSync(file.path, '')
  await t.rejects(unix.listen?.(file, () => {}, { accept: undefined }) as Promise<unknown>, {
    code: 'ERR_ADDRESS',
  })
})

t.test('where there is no folder, it tells the error of the system', async t => {
  const address = unixAddress(`${socketPath(t)}-is/not/there`)
  await t.rejects(
    listenAt(t, address, () => {}),
    { code: /EACCES|ENOENT/ },
  )
})

t.test('nothing has the path', async t => {
  await t.resolves(removeStale(socketPath(t)))
})

t.test('a socket that a dead server left is removed', async t => {
  const path = socketPath(t)
  const leave = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`
  t.throws(() => execFileSync(process.execPath, ['-e', leave, path], { stdio: 'ignore' }))
  t.ok(existsSync(path))
  const { listener } = await listenAt(t, unixAddress(path), () => {})
  await listener.close()
  t.throws(() => execFileSync(process.execPath, ['-e', leave, path], { stdio: 'ignore' }))
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
