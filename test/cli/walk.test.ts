import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { operandsOf, walk } from '../../cli/walk.js'

async function walked(words: readonly string[], name?: string) {
  const skipped: string[] = []
  const items = await walk(await operandsOf(words, name), (path, why) => void skipped.push(`${path}: ${why}`))
  return { names: items.map(each => each.name), items, skipped }
}

t.test('a file is sent by its own name, a folder with what is in it, sorted', async t => {
  const dir = t.testdir({ x: { 'y.txt': 'four', photos: { b: '', 'a.jpg': 'a', in: { c: '' }, empty: {} } } })
  const { names, items, skipped } = await walked([join(dir, 'x/photos/'), join(dir, 'x/y.txt'), '-'])
  t.same(names, ['photos/a.jpg', 'photos/b', 'photos/in/c', 'y.txt', undefined])
  t.match(items[3], { path: join(dir, 'x/y.txt'), size: 4 })
  t.match(items[4], { path: undefined, size: undefined })
  t.same(skipped, [])
  t.same((await walked([`${dir}/x/.`])).names[0], 'x/photos/a.jpg', 'the name of the folder')
  t.same((await walked([`${dir}/x/photos/..`])).names[0], 'x/photos/a.jpg')
})

t.test('what is no regular file in a folder is skipped, with the reason', async t => {
  const dir = t.testdir({ f: { a: '' }, other: '' })
  symlinkSync('../other', join(dir, 'f/link'))
  spawnSync('mkfifo', [join(dir, 'f/pipe')])
  const { names, skipped } = await walked([join(dir, 'f')])
  t.same(names, ['f/a'])
  t.same(skipped, [`${join(dir, 'f/link')}: it is a symbolic link`, `${join(dir, 'f/pipe')}: it is a FIFO`])
})

t.test('a link on the command line is followed; a FIFO has no size', async t => {
  const dir = t.testdir({ a: 'abc' })
  symlinkSync('a', join(dir, 'link'))
  spawnSync('mkfifo', [join(dir, 'pipe')])
  t.match((await walked([join(dir, 'link')])).items, [{ name: 'link', size: 3 }])
  t.match((await walked([join(dir, 'pipe')])).items, [{ name: 'pipe', size: undefined }])
})

t.test('a folder that cannot be read is skipped', { skip: process.getuid?.() === 0 && 'root reads all' }, async t => {
  const dir = t.testdir({ f: { closed: {}, a: '' } })
  chmodSync(join(dir, 'f/closed'), 0)
  t.teardown(() => chmodSync(join(dir, 'f/closed'), 0o700))
  const { names, skipped } = await walked([join(dir, 'f')])
  t.same(names, ['f/a'])
  t.match(skipped, [/EACCES/])
})

t.test('what has gone since it was named is skipped, and the rest is sent', async t => {
  const dir = t.testdir({ a: '' })
  const skipped: string[] = []
  const at = (name: string, isFolder = false) => ({ path: join(dir, name), name, isFolder })
  const skip = (path: string, why: string) => void skipped.push(`${path}: ${why}`)
  const items = await walk([at('folder', true), at('file'), at('a')], skip)
  t.same(
    items.map(({ name }) => name),
    ['a'],
  )
  t.match(skipped, [/^\S+\/folder: ENOENT/, /^\S+\/file: ENOENT/])
})

t.test('--name is for stdin, or else for the only file', async t => {
  const dir = t.testdir({ a: '', b: '', f: { c: '' } })
  const [a, b, f] = ['a', 'b', 'f'].map(name => join(dir, name)) as [string, string, string]
  t.same((await walked([], 'n')).names, ['n'])
  t.same((await walked([a], 'n')).names, ['n'])
  t.same((await walked([a, '-', b], 'n')).names, ['a', 'n', 'b'])
  for (const [words, message] of [
    [[a, b], '--name is for stdin or for a single file; several are given'],
    [[f], `--name is for stdin or for a single file; '${f}' is a folder`],
  ] as const)
    await t.rejects(operandsOf(words, 'n'), { code: 'ERR_OPTION', message })
})

t.test('two of one name, and what is not there, are refused', async t => {
  const dir = t.testdir({ a: { x: '' }, b: { x: '' } })
  mkdirSync(join(dir, 'c'))
  writeFileSync(join(dir, 'c/std'), '')
  const [ax, bx, std] = ['a/x', 'b/x', 'c/std'].map(name => join(dir, name)) as [string, string, string]
  const wrong = { code: 'ERR_OPTION' }
  await t.rejects(operandsOf([ax, bx]), { ...wrong, message: `'${ax}' and '${bx}' would both be 'x' at the receiver` })
  await t.rejects(operandsOf([std, '-'], 'std'), { message: `'${std}' and stdin would both be 'std' at the receiver` })
  await t.rejects(operandsOf([`${dir}/none`]), {
    ...wrong,
    message: `'${dir}/none' cannot be read: ENOENT: no such file or directory`,
  })
})
