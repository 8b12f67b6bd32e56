import { linkSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import {
  checkPart,
  claim,
  endedEarly,
  exists,
  isPart,
  own,
  ownFor,
  partName,
} from '../../../../lib/endpoints/file/part.js'

t.test('an unfinished file has the name of the whole one, and a number from the second one on', async t => {
  t.same(
    [1, 2, 10].map(number => partName('a/b', number)),
    ['a/b.part', 'a/b.2.part', 'a/b.10.part'],
  )
})

t.test('one connection writes a file; by any way to say its name', async t => {
  const folder = t.testdir({})
  const release = own(join(folder, 'f'))
  const again = { code: 'ERR_FILE_EXISTS', message: /f' is being written by another connection$/ }
  t.throws(() => own(join(folder, 'f')), again)
  t.throws(() => own(`${folder}/../${folder.split('/').at(-1)}/f`), again)
  await t.rejects(ownFor(join(folder, 'f'), 'a'), again)
  release()
  const next = own(join(folder, 'f'))
  release()
  t.throws(() => own(join(folder, 'f')), again, 'a second release is not that of the next one')
  next()
})

t.test('a session that begins anew waits until its former file is closed; another one does not', async t => {
  const path = join(t.testdir({}), 'f')
  const release = await ownFor(path, 'a')
  await t.rejects(ownFor(path, 'b'), { code: 'ERR_FILE_EXISTS' })
  let isOwned = false
  const next = ownFor(path, 'a').then(done => {
    isOwned = true
    return done
  })
  await new Promise(setImmediate)
  t.notOk(isOwned)
  release()
  ;(await next)()
  ;(await ownFor(path, 'b'))()
})

t.test('a name belongs to the file that was written, or to another one', async t => {
  const folder = t.testdir({ other: '' })
  const part = join(folder, 'f.part')
  const handle = await open(part, 'wx')
  t.teardown(() => handle.close())
  t.ok(await isPart(part, handle))
  await checkPart(part, handle)
  renameSync(join(folder, 'other'), part)
  t.notOk(await isPart(part, handle))
  await t.rejects(checkPart(part, handle), { code: 'ERR_FILE_REPLACED', message: /another program replaced it$/ })
})

t.test('a name is claimed without replacing a file, unless that is forced', async t => {
  const folder = t.testdir({ 'f.part': 'new', f: 'old' })
  const [part, path] = [join(folder, 'f.part'), join(folder, 'f')]
  await t.rejects(claim(part, path, false), { code: 'EEXIST' })
  t.same(readdirSync(folder), ['f', 'f.part'])
  await claim(part, path, true)
  t.same(readdirSync(folder), ['f'])
  t.equal(readFileSync(path, 'utf8'), 'new')
  writeFileSync(part, 'x')
  await claim(part, join(folder, 'g'), false)
  t.same(readdirSync(folder), ['f', 'g'])
  linkSync(join(folder, 'g'), part)
  t.match(endedEarly(5), { code: 'ERR_SESSION', message: /closed after 5 bytes, before the end of the sender$/ })
  t.match(exists('a'), { code: 'ERR_FILE_EXISTS', message: "'a' exists; force replaces it, append adds to it" })
})
