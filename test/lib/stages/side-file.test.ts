import { execFileSync, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync, symlinkSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import t from 'tap'
import { checkFile, sideFile } from '../../../lib/stages/side-file.js'
import { connection, noise } from '../../laws/support.js'
import { collect } from '../network.js'

const flags = { append: false, force: false }

t.test('it is opened with the first write, or by open', async t => {
  const dir = t.testdir()
  const file = sideFile('tee', `${dir}/a`, flags, connection)
  t.notOk(existsSync(`${dir}/a`))
  await file.write(Buffer.from('one'))
  await file.write(Buffer.from('two'))
  t.equal(readFileSync(`${dir}/a`, 'utf8'), 'onetwo', 'nothing is held back')
  await file.open()
  await file.close()
  const empty = sideFile('tee', `${dir}/b`, flags, undefined)
  await empty.open()
  await empty.close()
  t.equal(statSync(`${dir}/b`).size, 0)
  await sideFile('tee', `${dir}/c`, flags, undefined).close()
  t.notOk(existsSync(`${dir}/c`))
})

t.test('writes that do not wait for each other keep their order', async t => {
  const path = `${t.testdir()}/a`
  const file = sideFile('tee', path, flags, connection)
  const bytes = noise(100_000)
  await Promise.all([file.write(bytes.subarray(0, 1)), file.open()])
  await file.write(bytes.subarray(1))
  await file.close()
  t.ok(readFileSync(path).equals(bytes))
})

t.test('a file that exists', async t => {
  const dir = t.testdir({ a: 'old', b: 'old', c: 'old', d: 'old' })
  const taken = sideFile('tee', `${dir}/a`, flags, connection)
  const error = {
    code: 'ERR_FILE_EXISTS',
    message: `tee: ${dir}/a exists; append=true writes at its end, force=true overwrites it`,
    cause: { code: 'EEXIST' },
  }
  await t.rejects(taken.write(Buffer.from('new')), error)
  await t.rejects(taken.open(), error)
  await taken.close()
  for (const [name, options, expected] of [
    ['b', { append: true, force: false }, 'oldnew'],
    ['c', { append: false, force: true }, 'new'],
    ['d', { append: true, force: true }, 'oldnew'],
    ['e', { append: true, force: false }, 'new'],
    ['f', { append: false, force: true }, 'new'],
  ] as const) {
    const file = sideFile('tee', `${dir}/${name}`, options, connection)
    await file.write(Buffer.from('new'))
    await file.close()
    t.equal(readFileSync(`${dir}/${name}`, 'utf8'), expected, name)
  }
  t.equal(readFileSync(`${dir}/a`, 'utf8'), 'old')
})

t.test('a value of the peer cannot leave its place in the path (E-06)', async t => {
  const dir = t.testdir()
  for (const [remote, port, name] of [
    ['::1', 4711, 'c1-__1-4711-{other}'],
    ['/../a b', undefined, 'c1-_.._a_b-none-{other}'],
    ['..', 1, 'c1-_-1-{other}'],
    ['/etc/passwd', 1, 'c1-_etc_passwd-1-{other}'],
    ['a\0b\n', 1, 'c1-a_b_-1-{other}'],
    ['x'.repeat(5000), 1, `c1-${'x'.repeat(100)}-1-{other}`],
  ] as const) {
    const file = sideFile('tee', `${dir}/{id}-{remote}-{port}-{other}`, flags, { ...connection, remote, port })
    await file.write(Buffer.from('x'))
    await file.close()
    t.ok(existsSync(`${dir}/${name}`), name)
  }
  const alone = sideFile('tee', `${dir}/{id}-{remote}-{port}-{other}`, flags, undefined)
  await alone.open()
  await alone.close()
  t.ok(existsSync(`${dir}/none-none-none-{other}`))
})

t.test('a link that is in the way is not followed (E-06)', async t => {
  const dir = t.testdir({ target: 'old' })
  symlinkSync(`${dir}/target`, `${dir}/link`)
  symlinkSync(`${dir}/missing`, `${dir}/broken`)
  for (const name of ['link', 'broken'])
    await t.rejects(sideFile('tee', `${dir}/${name}`, flags, connection).open(), { code: 'ERR_FILE_EXISTS' }, name)
  t.equal(readFileSync(`${dir}/target`, 'utf8'), 'old')
  t.notOk(existsSync(`${dir}/missing`))
})

t.test('a link is not followed, nor one in place of a folder that is named after a peer (G-03)', async t => {
  const dir = t.testdir({ target: 'old', in: {}, out: {} })
  symlinkSync(`${dir}/target`, `${dir}/link`)
  symlinkSync(`${dir}/missing`, `${dir}/broken`)
  symlinkSync(`${dir}/out`, `${dir}/in/c1`)
  const links = { link: `${dir}/link`, broken: `${dir}/broken`, 'in/{id}/f': `${dir}/in/c1` }
  for (const [name, link] of Object.entries(links))
    for (const options of [flags, { append: true, force: false }, { append: false, force: true }])
      await t.rejects(sideFile('tee', `${dir}/${name}`, options, connection).write(Buffer.from('new')), {
        code: 'ERR_FILE_EXISTS',
        message: new RegExp(`^tee: '${link}' is a link, and is not followed`),
      })
  t.equal(readFileSync(`${dir}/target`, 'utf8'), 'old')
  t.same(readdirSync(dir), ['broken', 'in', 'link', 'out', 'target'])
  t.same(readdirSync(`${dir}/out`), [])
})

t.test('a FIFO takes what is written when it has a reader, and is let go before (G-09)', async t => {
  const path = `${t.testdir()}/fifo`
  execFileSync('mkfifo', [path])
  const files = Array.from({ length: 8 }, () => sideFile('tee', path, flags, connection))
  const writes = files.map(file => file.write(Buffer.from('x')).catch(error => error.code))
  await stat(path)
  for (const file of files) await file.close()
  t.strictSame(new Set(await Promise.all(writes)), new Set(['ABORT_ERR']))
  const file = sideFile('tee', path, flags, connection)
  const written = file.write(Buffer.from('through'))
  const reader = collect(spawn('cat', [path]).stdout)
  await written
  await file.open()
  await file.close()
  t.equal(String(await reader), 'through')
})

t.test('what the system says is passed on', async t => {
  const dir = t.testdir()
  await t.rejects(sideFile('tee', `${dir}/missing/file`, flags, connection).open(), { code: 'ENOENT' })
  await t.rejects(sideFile('tee', dir, { append: false, force: true }, connection).open(), { code: 'EISDIR' })
})

t.test('a full disk', { skip: existsSync('/dev/full') ? false : '/dev/full is missing' }, async t => {
  const file = sideFile('tee', '/dev/full', { append: false, force: true }, connection)
  await t.rejects(file.write(Buffer.from('x')), { code: 'ENOSPC' })
  await file.close()
})

t.test('close closes it', { skip: existsSync('/proc/self/fd') ? false : 'no /proc' }, async t => {
  const path = `${t.testdir()}/a`
  const opened = () => readdirSync('/proc/self/fd').filter(fd => target(fd) === path).length
  const file = sideFile('tee', path, flags, connection)
  await file.open()
  t.equal(opened(), 1)
  await file.close()
  t.equal(opened(), 0)
})

function target(fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return undefined // it was that of the listing
  }
}

t.test('flags that contradict each other', async t => {
  t.equal(checkFile({ append: true, force: true }), 'append and force exclude each other')
  for (const flags of [
    { append: true, force: false },
    { append: false, force: true },
  ])
    t.notOk(checkFile(flags))
})

t.test('a word in braces that is no placeholder is refused (G-55)', async t => {
  const flags = { append: false, force: false }
  t.equal(
    checkFile({ file: '{id}/{ip}', ...flags }),
    "file: '{ip}' is not a placeholder; expected {id}, {remote}, {port}, {time} or {name}",
  )
  t.notOk(checkFile({ file: '{id}{remote}{port}{time}{}{a b}', ...flags }))
})
