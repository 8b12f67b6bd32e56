import { once } from 'node:events'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { spec } from '../../transforms/spec.js'
import { tee } from '../../transforms/tee.js'
import { connection, noise } from '../laws/support.js'
import { cutEvery, errorOf, run, textOf } from '../lib/pipes.js'

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

t.test('a file that exists', async t => {
  const dir = t.testdir({ a: 'old', b: 'old', c: 'old', d: 'old' })
  t.match(await errorOf([tee({ file: `${dir}/a` })], 'new'), {
    code: 'ERR_FILE_EXISTS',
    message: `tee: ${dir}/a exists; append=true writes behind it, force=true overwrites it`,
    cause: { code: 'EEXIST' },
  })
  t.match(await errorOf([tee({ file: `${dir}/a` })], ''), { code: 'ERR_FILE_EXISTS' }, 'even if nothing comes')
  for (const [file, options, expected] of [
    ['a', {}, 'old'],
    ['b', { append: true }, 'oldnew'],
    ['c', { force: true }, 'new'],
    ['d', { append: true, force: true }, 'oldnew'],
    ['e', { append: true }, 'new'],
    ['f', { force: true }, 'new'],
  ] as const) {
    await run([tee({ file: `${dir}/${file}`, ...options })], 'new')
    t.equal(readFileSync(`${dir}/${file}`, 'utf8'), expected, file)
  }
})

t.test('the name of the file', async t => {
  const dir = t.testdir()
  const file = `${dir}/{id}-{remote}-{port}-{other}`
  await run([tee({ file })], 'x', { connection })
  t.ok(existsSync(`${dir}/c1-__1-4711-{other}`))
  await run([tee({ file })], 'x', { connection: { ...connection, remote: '/../a b', port: undefined } })
  t.ok(existsSync(`${dir}/c1-_.._a_b-none-{other}`))
  await run([tee({ file })], 'x')
  t.ok(existsSync(`${dir}/none-none-none-{other}`))
})

t.test('a file that cannot be opened or written ends the connection with the error of the system', async t => {
  t.match(await errorOf([tee({ file: `${t.testdir()}/missing/file` })], 'x'), { code: 'ENOENT' })
  t.match(await errorOf([tee({ file: t.testdir(), force: true })], 'x'), { code: 'EISDIR' })
  t.match(await errorOf([tee({ file: t.testdir(), force: true })], ''), { code: 'EISDIR' })
})

t.test('a full disk', { skip: existsSync('/dev/full') ? false : '/dev/full is missing' }, async t => {
  const { error, text } = await run([tee({ file: '/dev/full', force: true })], 'x')
  t.match(error, { code: 'ENOSPC' })
  t.equal(text, '')
})

t.test(
  'it is closed when the stage is destroyed',
  { skip: existsSync('/proc/self/fd') ? false : 'no /proc' },
  async t => {
    const open = async (file: string) => {
      const { readdirSync, readlinkSync } = await import('node:fs')
      return readdirSync('/proc/self/fd').filter(fd => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`) === file
        } catch {
          return false
        }
      }).length
    }
    const file = `${t.testdir()}/copy`
    const stage = tee({ file })
    stage.write('one')
    await once(stage, 'data')
    t.equal(await open(file), 1)
    stage.destroy()
    await once(stage, 'close')
    for (let i = 0; i < 100 && (await open(file)) > 0; i++) await setTimeout(5)
    t.equal(await open(file), 0)
  },
)

t.test('the file is asked for', async t => {
  t.throws(() => spec('tee'), { code: 'ERR_SPEC', message: /tee needs file/ })
  const file = `${t.testdir()}/by name`
  writeFileSync(file, '')
  t.equal(await textOf(spec(`tee '${file}' append=true`)(), 'x'), 'x')
})
