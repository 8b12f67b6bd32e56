import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, renameSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { followSource } from '../../../../lib/endpoints/file/follow.js'
import { until } from '../../network.js'

/** A file that is followed, and what was read of it. */
function followed(t: Test, content?: string) {
  const path = join(t.testdir({}), 'app.log')
  if (content !== undefined) writeFileSync(path, content)
  const source = followSource(path)
  t.teardown(() => void source.destroy())
  let text = ''
  source.on('data', chunk => {
    text += chunk
  })
  source.on('error', () => {})
  return { path, source, has: (wanted: string) => until(() => text === wanted) }
}

t.test('what is added follows', async t => {
  const { path, source, has } = followed(t, 'one\n')
  await has('one\n')
  appendFileSync(path, 'two\n')
  await has('one\ntwo\n')
  t.equal(source.bytesRead, 8)
  t.same(source.warnings, [])
})

t.test('a file that does not exist yet is waited for', async t => {
  const { path, has } = followed(t)
  writeFileSync(path, 'there\n')
  await has('there\n')
})

t.test('a rotation: the rest of the old file, then the new one from its start', async t => {
  const { path, has } = followed(t, 'old\n')
  await has('old\n')
  renameSync(path, `${path}.1`)
  appendFileSync(`${path}.1`, 'late\n')
  writeFileSync(path, 'new\n')
  await has('old\nlate\nnew\n')
  renameSync(path, `${path}.2`)
  writeFileSync(path, 'newer\n')
  await has('old\nlate\nnew\nnewer\n')
})

t.test('a truncation: from the start, with a warning', async t => {
  const { path, source, has } = followed(t, 'a long line\n')
  await has('a long line\n')
  const warned = once(source, 'warning')
  truncateSync(path)
  t.same(await warned, [{ file: path, at: 12 }, 'the file was truncated, reading it from its start'])
  appendFileSync(path, 'next\n')
  await has('a long line\nnext\n')
  t.match(source.warnings, [/'.*app\.log' was truncated at 12 bytes; it is read from its start/])
})

t.test('it fails in words, and closes what it has opened', async t => {
  const { path, source } = followed(t, 'x')
  await once(source, 'data')
  source.destroy()
  await once(source, 'close')
  const folder = join(path, '..')
  for (const [name, make] of [
    ['folder', () => mkdirSync(join(folder, 'folder'))],
    ['fifo', () => execFileSync('mkfifo', [join(folder, 'fifo')])],
  ] as const) {
    make()
    const wrong = followSource(join(folder, name))
    const [error] = await once(wrong.resume(), 'error')
    t.match(error, { message: /is no file, and cannot be followed/ })
  }
  const denied = followSource(join(path, 'inside a file'))
  t.match((await once(denied.resume(), 'error'))[0], { code: 'ENOTDIR' })
  const never = followSource(join(folder, 'no', 'such', 'folder')) // no notices: the folder does not exist
  never.resume()
  await delay(600) // two looks
  never.destroy()
  await once(never, 'close')
})
