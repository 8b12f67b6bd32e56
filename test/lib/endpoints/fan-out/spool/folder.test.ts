import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { basename, dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { lockLength, openSpoolFolder } from '../../../../../lib/endpoints/fan-out/spool/folder.js'
import { socketPath } from '../../../network.js'

/** A spool folder with a short path. */
function rootOf(t: Test): string {
  return join(dirname(socketPath(t)), 'spool')
}

const to = '127.0.0.1:4000'

/** What a dead process has left: its folder, without anybody who listens beside it. */
function leave(root: string, owner: string, address: string, files: readonly string[]): string {
  const folder = join(root, `${owner}@${encodeURIComponent(address)}`)
  mkdirSync(folder, { recursive: true })
  for (const file of files) writeFileSync(join(folder, file), file)
  return folder
}

t.test('it is made with its lock, and both are gone when it is closed empty', async t => {
  const root = rootOf(t)
  const folder = await openSpoolFolder(root, to)
  t.same([folder.left, folder.unfinished, folder.others], [[], 0, []])
  const [lock, own] = readdirSync(root).sort((a, b) => a.length - b.length)
  t.equal(join(root, String(own)), folder.path)
  t.equal(`/${lock}`.length, lockLength)
  await folder.close()
  t.same(readdirSync(root), [])
})

t.test('what a dead process has left is taken over, in order; what was not answered is removed', async t => {
  const root = rootOf(t)
  const dead = leave(root, '0123456789', to, ['b.spool', 'a.spool', 'c.open'])
  const folder = await openSpoolFolder(root, to)
  t.teardown(folder.close)
  t.same(
    folder.left.map(({ path, bytes }) => [dirname(path), basename(path), bytes]),
    [
      [folder.path, 'a.spool', 7],
      [folder.path, 'b.spool', 7],
    ],
  )
  t.equal(folder.unfinished, 1)
  t.notOk(existsSync(dead))
})

t.test('a process that lives keeps its spools, and what is left when it closes has no owner', async t => {
  const root = rootOf(t)
  const one = await openSpoolFolder(root, to)
  writeFileSync(join(one.path, 'a.spool'), 'a')
  const other = await openSpoolFolder(root, to)
  t.teardown(other.close)
  t.same(other.left, [])
  await one.close()
  const third = await openSpoolFolder(root, to)
  t.teardown(third.close)
  t.equal(third.left.length, 1)
})

t.test('spools of other addresses stay, and are reported', async t => {
  const root = rootOf(t)
  leave(root, '0123456789', ':5000', ['a.spool'])
  leave(root, '0123456780', ':6000', ['a.open'])
  const cut = join(root, '0123456781@unix%3A%C3~0')
  mkdirSync(cut)
  writeFileSync(join(cut, 'a.spool'), '')
  mkdirSync(join(root, 'something else'))
  const folder = await openSpoolFolder(root, to)
  t.teardown(folder.close)
  t.same([...folder.others].sort(), [':5000', 'unix%3A%C3~0'])
  t.same(folder.left, [])
  t.equal(readdirSync(root).length, 6)
})

t.test('an address that is too long for a name', async t => {
  const root = rootOf(t)
  const address = `unix:/${'x/'.repeat(100)}`
  const folder = await openSpoolFolder(root, address)
  t.ok(basename(folder.path).length <= 211)
  writeFileSync(join(folder.path, 'a.spool'), 'a')
  await folder.close()
  const next = await openSpoolFolder(root, address)
  t.teardown(next.close)
  t.equal(next.left.length, 1)
  const other = await openSpoolFolder(root, `${address}y`)
  t.teardown(other.close)
  t.same(other.left, [])
})

t.test('another process takes over at the same time, or a file cannot be taken', async t => {
  const root = rootOf(t)
  leave(root, '0123456789', to, ['a.spool', 'b.open'])
  const { rename, unlink, readdir } = fs
  t.teardown(() => {
    Object.assign(fs, { rename, unlink, readdir })
    syncBuiltinESMExports()
  })
  const gone = () => Promise.reject(Object.assign(new Error('gone'), { code: 'ENOENT' }))
  Object.assign(fs, { rename: gone, unlink: gone })
  syncBuiltinESMExports()
  const folder = await openSpoolFolder(root, to)
  t.same([folder.left, folder.unfinished], [[], 0])
  await folder.close()
  Object.assign(fs, { rename: () => Promise.reject(Object.assign(new Error('no'), { code: 'EACCES' })) })
  syncBuiltinESMExports()
  await t.rejects(openSpoolFolder(root, to), { code: 'EACCES' })
  let calls = 0
  Object.assign(fs, { rename, readdir: (path: string) => (calls++ === 1 ? gone() : readdir(path)) })
  syncBuiltinESMExports()
  const last = await openSpoolFolder(root, to)
  t.same(last.left, [])
  await last.close()
})
