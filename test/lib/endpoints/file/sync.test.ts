import { chmodSync, mkdirSync } from 'node:fs'
import promises from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join, relative, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { sync, withFolders } from '../../../../lib/endpoints/file/sync.js'

/** Takes down which folders are opened, synced and closed. */
function watch(t: Test, folder: string): string[] {
  const events: string[] = []
  const { open } = promises
  promises.open = async (path, ...more) => {
    const handle = await open(path, ...more)
    const name = relative(folder, String(path)) || '.'
    const { sync, close } = handle
    handle.sync = () => {
      events.push(`sync ${name}`)
      return sync.call(handle)
    }
    handle.close = () => {
      events.push(`close ${name}`)
      return close.call(handle)
    }
    events.push(`open ${name}`)
    return handle
  }
  syncBuiltinESMExports()
  t.teardown(() => {
    promises.open = open
    syncBuiltinESMExports()
  })
  return events
}

t.test('the folders are opened before the file gets its name, and synced after it, up to the fixed one', async t => {
  const folder = t.testdir({ a: { b: {} } })
  const events = watch(t, folder)
  const name = async () => void events.push('name')
  await withFolders(join(folder, 'a/b/f'), `${folder}/`, name)
  const opened = ['open a/b', 'open a', 'open .']
  t.same(events, [...opened, 'name', 'sync a/b', 'sync a', 'sync .', 'close a/b', 'close a', 'close .'])
  events.length = 0
  await withFolders(join(folder, 'a/f'), join(folder, 'a/f'), name)
  t.same(events, ['open a', 'name', 'sync a', 'close a'])
  events.length = 0
  process.chdir(join(folder, 'a'))
  await withFolders('f', 'f', name)
  t.same(events, ['open a', 'name', 'sync a', 'close a'], 'a relative name')
  process.chdir(resolve(folder, '..'))
})

t.test('a folder that cannot be opened fails before the file has its name, and all are closed', async t => {
  const folder = t.testdir({ a: {} })
  const events = watch(t, folder)
  let isNamed = false
  const name = async () => {
    isNamed = true
  }
  await t.rejects(withFolders(join(folder, 'a/none/f'), `${folder}/`, name), { code: 'ENOENT' })
  t.notOk(isNamed)
  await t.rejects(
    withFolders(join(folder, 'a/f'), `${folder}/`, async () => {
      throw new Error('taken')
    }),
    { message: 'taken' },
  )
  t.same(events, ['open a', 'open .', 'close a', 'close .'])
})

t.test('a folder that cannot be read cannot be synced', { skip: process.getuid?.() === 0 && 'as root' }, async t => {
  const folder = t.testdir({})
  mkdirSync(join(folder, 'drop'))
  chmodSync(join(folder, 'drop'), 0o333)
  await t.rejects(
    withFolders(join(folder, 'drop/f'), join(folder, 'drop/f'), async () => {}),
    { code: 'EACCES' },
  )
})

t.test('a file system that has nothing to sync is no failure; a disk that fails is one', async t => {
  const failing = (code: string) => ({ sync: () => Promise.reject(Object.assign(new Error(code), { code })) })
  await sync(failing('EINVAL'))
  await sync(failing('ENOTSUP'))
  await t.rejects(sync(failing('EIO')), { code: 'EIO' })
})
