import { once } from 'node:events'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { spec } from '../../transforms/spec.js'
import { tee } from '../../transforms/tee.js'
import { connection, noise } from '../laws/support.js'
import { cutEvery, errorOf, run, textOf } from '../lib/pipes.js'

const needsFull = { skip: existsSync('/dev/full') ? false : '/dev/full is missing' }

t.test('the bytes go on and into the file', async t => {
  const file = `${t.testdir()}/copy`
  const input = noise(300_000)
  const { chunks } = await run([tee({ file })], cutEvery(50_000, input))
  t.ok(Buffer.concat(chunks).equals(input))
  t.ok(readFileSync(file).equals(input))
})

t.test('the file is there with the first chunk, or at the end', async t => {
  const dir = t.testdir()
  const stage = tee({ file: `${dir}/first` })
  t.notOk(existsSync(`${dir}/first`))
  stage.write('one')
  await once(stage, 'data')
  t.equal(readFileSync(`${dir}/first`, 'utf8'), 'one')
  stage.destroy()
  await textOf([tee({ file: `${dir}/empty` })], '')
  t.equal(statSync(`${dir}/empty`).size, 0)
})

t.test('the name of the file is that of the connection', async t => {
  const dir = t.testdir()
  await run([tee({ file: `${dir}/{id}-{remote}` })], 'x', { connection })
  t.ok(existsSync(`${dir}/c1-__1`))
})

t.test('a file that exists', async t => {
  const dir = t.testdir({ a: 'old', b: 'old', c: 'old' })
  const message = `tee: ${dir}/a exists; append=true writes at its end, force=true overwrites it`
  t.match(await errorOf([tee({ file: `${dir}/a` })], 'new'), { code: 'ERR_FILE_EXISTS', message })
  t.match(await errorOf([tee({ file: `${dir}/a` })], ''), { code: 'ERR_FILE_EXISTS' }, 'even if nothing comes')
  await run([tee({ file: `${dir}/b`, append: true })], 'new')
  await run([tee({ file: `${dir}/c`, force: true })], 'new')
  t.same(
    ['a', 'b', 'c'].map(name => readFileSync(`${dir}/${name}`, 'utf8')),
    ['old', 'oldnew', 'new'],
  )
})

t.test('a full disk ends it, and what is not in the file does not go on', needsFull, async t => {
  const { error, text } = await run([tee({ file: '/dev/full', force: true })], 'x')
  t.match(error, { code: 'ENOSPC' })
  t.equal(text, '')
})

t.test('the file is asked for', async t => {
  t.throws(() => spec('tee'), { code: 'ERR_SPEC', message: /tee needs file/ })
  const file = `${t.testdir()}/by name`
  writeFileSync(file, '')
  t.equal(await textOf(spec(`tee '${file}' append=true`)(), 'x'), 'x')
})

t.test('append and force exclude each other', async t => {
  t.throws(() => spec('tee a append=true force=true'), { code: 'ERR_SPEC', message: /tee append and force exclude/ })
})
