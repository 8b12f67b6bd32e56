import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { SpoolFile } from '../../../../../lib/endpoints/fan-out/spool/spool-file.js'
import { collect } from '../../../network.js'

async function create(t: Test): Promise<SpoolFile> {
  const file = await SpoolFile.create(t.testdir(), 'x')
  t.teardown(() => file.close().catch(() => {}))
  return file
}

t.test('a reader follows what is written, to its end', async t => {
  const file = await create(t)
  await file.write(Buffer.from('a'))
  let caughtUp = 0
  const reader = file.read(() => caughtUp++)
  const all = collect(reader)
  while (!reader.isWaiting) await new Promise(resolve => setImmediate(resolve))
  await file.write(Buffer.alloc(200_000, 'b'))
  file.end()
  t.equal(String(await all), `a${'b'.repeat(200_000)}`)
  t.ok(caughtUp > 0)
  t.equal(file.written, 200_001)
})

t.test('a further reader begins at the start', async t => {
  const file = await create(t)
  await file.write(Buffer.from('abc'))
  file.read(() => {}).destroy()
  file.end()
  t.equal(String(await collect(file.read(() => {}))), 'abc')
})

t.test('it is sealed under another name, and removed under the one that it has', async t => {
  const file = await create(t)
  t.equal(file.path, join(t.testdirName, 'x.open'))
  await file.write(Buffer.from('abc'))
  await file.seal()
  t.equal(file.path, join(t.testdirName, 'x.spool'))
  t.equal(readFileSync(file.path, 'utf8'), 'abc')
  t.notOk(existsSync(join(t.testdirName, 'x.open')))
  await file.remove()
  t.notOk(existsSync(file.path))
})

t.test('a chunk that is not in the file is passed on when the reader wants more', async t => {
  const file = await create(t)
  const reader = file.read(() => {})
  const all = collect(reader)
  while (!reader.isWaiting) await new Promise(resolve => setImmediate(resolve))
  await reader.give(Buffer.from('a'))
  await reader.give(Buffer.from('b'))
  file.end()
  t.equal(String(await all), 'ab')
})

t.test('a file that cannot be read fails its reader', async t => {
  const file = await create(t)
  await file.write(Buffer.from('abc'))
  await file.close()
  await t.rejects(collect(file.read(() => {})), { code: 'EBADF' })
})
