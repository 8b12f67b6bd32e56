import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  closeSync,
  existsSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import promises, { stat } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import t, { type Test } from 'tap'
import type { Sink } from '../../../../lib/endpoints/endpoint.js'
import { checkFileSink, fileSink } from '../../../../lib/endpoints/file/file-sink.js'
import { closed, collect, until } from '../../network.js'
import { fakeSession } from './fake-session.js'

const info = { id: 'abc', number: 1, remote: '127.0.0.1', port: 4000, direction: 'forward' } as const

async function write(sink: Sink, ...chunks: (string | Buffer)[]): Promise<void> {
  await pipeline(Readable.from(chunks.map(chunk => Buffer.from(chunk))), sink)
}

async function broken(sink: Sink, chunk = 'half'): Promise<void> {
  await new Promise(resolve => sink.write(chunk, resolve))
  sink.destroy(new Error('broken'))
  await finished(sink).catch(() => {})
  if (!sink.closed) await new Promise<void>(resolve => sink.once('close', resolve))
}

function fifo(t: Test): string {
  const path = join(t.testdir({}), 'fifo')
  execFileSync('mkfifo', [path])
  return path
}

const text = (path: string) => readFileSync(path, 'utf8')

t.test('a file is written as .part, and has its name when it is complete', async t => {
  const path = join(t.testdir({}), 'deep', 'er', '{id}.log')
  const sink = await fileSink(path, info)
  const name = path.replace('{id}', 'abc')
  t.same(readdirSync(dirname(name)), ['abc.log.part'])
  await write(sink, 'one ', 'two ', Buffer.alloc(600_000, '3'))
  t.equal(text(name), `one two ${'3'.repeat(600_000)}`)
  t.same(readdirSync(dirname(name)), ['abc.log'])
  t.same(sink.report?.(), { file: name, bytes: 600_008 })
})

t.test('a partial file that opens when its connection is over is removed (G-26)', async t => {
  const folder = t.testdir({ 'f.part': 'another' })
  const abort = new AbortController()
  const opening = fileSink(join(folder, 'f'), info, { signal: abort.signal })
  abort.abort()
  await t.rejects(opening, { name: 'AbortError' })
  t.same(readdirSync(folder), ['f.part'])
  t.equal(text(join(folder, 'f.part')), 'another')
  await t.resolves(fileSink(join(folder, 'f'), info), 'the name is free again')
})

t.test('chunks that wait are written together', async t => {
  const path = join(t.testdir({}), 'f')
  const sink = await fileSink(path, info)
  for (const chunk of ['a', 'b', '', 'c']) sink.write(chunk)
  sink.end()
  await finished(sink)
  t.equal(text(path), 'abc')
})

t.test('a connection without a byte makes an empty file', async t => {
  const path = join(t.testdir({}), 'f')
  await write(await fileSink(path, info))
  t.equal(text(path), '')
})

t.test('a name that exists (E-06)', async t => {
  const dir = t.testdir({ f: 'precious' })
  const path = join(dir, 'f')
  await t.rejects(fileSink(path, info), {
    code: 'ERR_FILE_EXISTS',
    message: `'${path}' exists; force replaces it, append adds to it`,
  })
  t.same(readdirSync(dir), ['f'])
  await write(await fileSink(path, info, { append: true }), ' thing')
  t.equal(text(path), 'precious thing')
  const sink = await fileSink(path, info, { force: true })
  t.equal(text(path), 'precious thing', 'it stands until the new one is complete')
  await write(sink, 'new')
  t.equal(text(path), 'new')
  t.same(readdirSync(dir), ['f'])
})

t.test('a durable append tells what is on the disk', async t => {
  const path = join(t.testdir({}), 'f')
  const sink = await fileSink(path, info, { append: true, durable: true })
  const told: number[] = []
  sink.onKept?.(bytes => told.push(bytes))
  for (const bytes of [3, 3, 3]) sink.write('x'.repeat(bytes))
  await until(() => told.at(-1) === 9)
  t.equal(text(path).length, 9)
  sink.write('y')
  await write(sink, 'end')
  t.equal(text(path), 'xxxxxxxxxyend')
  t.equal((await fileSink(path, info, { append: true })).destroy().onKept, undefined)

  const { FileHandle } = { FileHandle: Object.getPrototypeOf(await promises.open(path).then(closeIt)) }
  const { sync } = FileHandle
  t.teardown(() => Object.assign(FileHandle, { sync }))
  const done: string[] = []
  FileHandle.sync = async function () {
    await sync.call(this)
    done.push((await this.stat()).isDirectory() ? 'folder' : 'file')
  }
  const named = await fileSink(join(dirname(path), 'new'), info, { append: true, durable: true })
  named.onKept?.(bytes => done.push(`kept ${bytes}`))
  named.write('x')
  await until(() => done.includes('kept 1'))
  t.same(done, ['folder', 'kept 1'], 'its name is on the disk, too')
  named.destroy()

  const failing = await fileSink(path, info, { append: true, durable: true })
  failing.onKept?.(() => {})
  const { datasync } = FileHandle
  t.teardown(() => Object.assign(FileHandle, { datasync }))
  FileHandle.datasync = async () => {
    throw new Error('the disk is gone')
  }
  failing.write('z')
  t.match((await once(failing, 'error'))[0], { message: 'the disk is gone' })
})

async function closeIt(handle: promises.FileHandle): Promise<promises.FileHandle> {
  await handle.close()
  return handle
}

t.test('append makes a file, without a .part, and reports what it added', async t => {
  const path = join(t.testdir({}), 'f')
  for (const chunk of ['a', 'bc']) {
    const sink = await fileSink(path, info, { append: true })
    await write(sink, chunk)
    t.same(sink.report?.(), { file: path, bytes: chunk.length })
  }
  t.equal(text(path), 'abc')
})

t.test('a directory is refused', async t => {
  const dir = t.testdir({ sub: {}, file: '' })
  for (const options of [{}, { append: true }, { force: true }])
    await t.rejects(fileSink(join(dir, 'sub'), info, options), { code: 'ERR_FILE_EXISTS', message: /is a directory/ })
  await t.rejects(fileSink(join(dir, 'file', 'below'), info), { code: /ENOTDIR|EEXIST/ })
})

t.test('a name that somebody takes while the file is written is not overwritten', async t => {
  const path = join(t.testdir({}), 'f')
  const sink = await fileSink(path, info)
  writeFileSync(path, 'faster')
  await t.rejects(write(sink, 'late'), { code: 'ERR_FILE_EXISTS' })
  t.equal(text(path), 'faster')
  t.equal(text(`${path}.part`), 'late', 'nothing is lost')
  t.same(sink.report?.(), { file: `${path}.part`, bytes: 4 })
})

t.test('a symlink in place of the name is not followed (E-06)', async t => {
  const dir = t.testdir({})
  symlinkSync(join(dir, 'elsewhere'), join(dir, 'f'))
  await t.rejects(fileSink(join(dir, 'f'), info), { code: 'ERR_FILE_EXISTS' })
  symlinkSync(join(dir, 'elsewhere'), join(dir, 'g.part'))
  await write(await fileSink(join(dir, 'g'), info), 'x')
  t.notOk(existsSync(join(dir, 'elsewhere')))
})

t.test('append does not follow a link either (G-03)', async t => {
  const dir = t.testdir({ precious: 'precious' })
  for (const target of ['precious', 'missing']) {
    const path = join(dir, `link to ${target}`)
    symlinkSync(join(dir, target), path)
    await t.rejects(fileSink(path, info, { append: true }), {
      code: 'ERR_FILE_EXISTS',
      message: `'${path}' is a link, and is not followed; expected the path that it leads to`,
    })
  }
  t.equal(text(join(dir, 'precious')), 'precious')
  t.notOk(existsSync(join(dir, 'missing')))
})

t.test('a link that leads to itself is an error of the system', async t => {
  const path = join(t.testdir({}), 'loop')
  symlinkSync(path, path)
  await t.rejects(fileSink(path, info), { code: 'ELOOP' })
})

t.test('with force a link is replaced, and what it leads to stays as it is (E-06)', async t => {
  const dir = t.testdir({ precious: 'precious' })
  symlinkSync(join(dir, 'precious'), join(dir, 'f'))
  await t.rejects(fileSink(join(dir, 'f'), info), { code: 'ERR_FILE_EXISTS' }, 'without it that is a name that exists')
  await write(await fileSink(join(dir, 'f'), info, { force: true }), 'new')
  t.equal(text(join(dir, 'precious')), 'precious')
  t.equal(text(join(dir, 'f')), 'new')
  t.notOk(lstatSync(join(dir, 'f')).isSymbolicLink())
})

t.test('the name of a peer cannot lead out of the folder (E-06)', async t => {
  const dir = t.testdir({ in: {}, out: {} })
  for (const remote of ['../out', `${dir}/out`, '..', '%2e%2e', 'C:\\x', 'a\0b', 'fe80::1', 'x'.repeat(5000)])
    await write(await fileSink(join(dir, 'in', '{remote}', '{id}.bin'), { ...info, remote }), 'x')
  t.same(readdirSync(dir), ['in', 'out'])
  t.same(readdirSync(join(dir, 'out')), [])
  t.equal(readdirSync(join(dir, 'in')).length, 8)
})

t.test('a link in place of a folder that is named after a peer is not followed (E-06)', async t => {
  const dir = t.testdir({ in: {}, out: {} })
  symlinkSync(join(dir, 'out'), join(dir, 'in', info.remote))
  for (const name of ['f', 'sub/f'])
    for (const options of [{}, { append: true }, { force: true }])
      await t.rejects(fileSink(join(dir, 'in', '{remote}', name), info, options), {
        code: 'ERR_FILE_EXISTS',
        message: /is a link/,
      })
  t.same(readdirSync(join(dir, 'out')), [])
  symlinkSync(join(dir, 'out'), join(dir, 'mine'))
  await write(await fileSink(join(dir, 'mine', '{remote}'), info), 'x')
  t.same(readdirSync(join(dir, 'out')), [info.remote], "a link of the operator's own")
})

t.test('a directory that disappears while its file is written fails the sink', async t => {
  const dir = t.testdir({ sub: {} })
  const path = join(dir, 'sub', 'f')
  const sink = await fileSink(path, info)
  execFileSync('rm', ['-r', join(dir, 'sub')])
  await t.rejects(write(sink, 'x'), { code: 'ENOENT' })
})

t.test('a partial file that exists is kept, with force too: a writer has one of its own (G-02)', async t => {
  for (const options of [{}, { force: true }]) {
    const dir = t.testdir({ 'f.part': 'precious', 'f.2.part': { sub: '' } })
    symlinkSync(join(dir, 'elsewhere'), join(dir, 'f.3.part'))
    const sink = await fileSink(join(dir, 'f'), info, options)
    t.same(readdirSync(dir), ['f.2.part', 'f.3.part', 'f.4.part', 'f.part'])
    await write(sink, 'x')
    t.same(readdirSync(dir), ['f', 'f.2.part', 'f.3.part', 'f.part'])
    t.equal(text(join(dir, 'f')), 'x')
    t.equal(text(join(dir, 'f.part')), 'precious')
  }
})

t.test('a partial file that another program has replaced is not claimed (G-01)', async t => {
  for (const options of [{}, { force: true }]) {
    const dir = t.testdir({})
    const part = join(dir, 'f.part')
    const sink = await fileSink(join(dir, 'f'), info, options)
    unlinkSync(part)
    writeFileSync(part, 'of another')
    await t.rejects(write(sink, 'ours'), {
      code: 'ERR_FILE_REPLACED',
      message: `'${part}' is not the file that was written: another program replaced it`,
    })
    t.same(readdirSync(dir), ['f.part'])
    t.equal(text(part), 'of another')
  }
})

t.test('two connections with one name: the second one is refused at once (G-01)', async t => {
  const dir = t.testdir({})
  const path = join(dir, 'f')
  const first = await fileSink(path, info)
  for (const name of [path, `${dir}/sub/../f`])
    for (const options of [{}, { force: true }])
      await t.rejects(fileSink(name, info, options), { code: 'ERR_FILE_EXISTS' }, name)
  await write(first, 'x')
  t.equal(text(path), 'x')
  await broken(await fileSink(path, info, { force: true }))
  await write(await fileSink(path, info, { force: true }), 'y')
  t.equal(text(path), 'y', 'a failure gives the name free')
})

t.test('a partial file that cannot be made does not keep the name', async t => {
  const path = join(t.testdir({}), 'x'.repeat(252))
  for (let i = 0; i < 2; i++) await t.rejects(fileSink(path, info), { code: 'ENAMETOOLONG' })
})

t.test('a failure keeps the .part and tells of it', async t => {
  const dir = t.testdir({})
  const sink = await fileSink(join(dir, 'f'), info)
  await broken(sink)
  t.same(readdirSync(dir), ['f.part'])
  t.equal(text(join(dir, 'f.part')), 'half')
  t.same(sink.report?.(), { file: join(dir, 'f.part'), bytes: 4 })
})

t.test('devices and FIFOs are written directly', async t => {
  await write(await fileSink('/dev/null', info), 'gone')
  const path = fifo(t)
  for (const options of [{}, { append: true }, { force: true }]) {
    const reader = collect(spawn('cat', [path]).stdout)
    const sink = await fileSink(path, info, options)
    await write(sink, 'thro', 'ugh')
    t.equal(String(await reader), 'through')
    t.same(sink.report?.(), { file: path, bytes: 7 })
  }
})

t.test('a FIFO without a reader holds no thread, and is let go (G-09)', async t => {
  const path = fifo(t)
  const sinks = await Promise.all(Array.from({ length: 8 }, () => fileSink(path, info))) // the pool has four threads
  const failures = sinks.map(sink => write(sink, 'x').catch(error => error.code))
  await stat(path)
  for (const sink of sinks) await closed(sink.destroy())
  t.strictSame(new Set(await Promise.all(failures)), new Set(['ABORT_ERR']))
  t.equal(sinks[0]?.writableFinished, false)
})

t.test('a FIFO of a connection without a byte has its end, when it has a reader', async t => {
  const path = fifo(t)
  const sink = await fileSink(path, info)
  sink.end()
  const reader = collect(spawn('cat', [path]).stdout)
  await finished(sink)
  t.equal(String(await reader), '')
})

t.test('a FIFO whose reader does not read is let go, and a reader that leaves is an error (G-09)', async t => {
  const path = fifo(t)
  const reader = openSync(path, 'r+')
  const stalled = await fileSink(path, info)
  let taken = 0
  for (let i = 0; i < 10; i++) stalled.write(Buffer.alloc(100_000), error => (taken += Number(!error)))
  await stat(path)
  await closed(stalled.destroy())
  t.ok(taken < 10, 'not everything fits in')
  const sink = await fileSink(path, info)
  await new Promise(resolve => sink.write('', resolve)) // it is open
  closeSync(reader)
  await t.rejects(write(sink, 'x'), { code: 'EPIPE' })
})

t.test('a full device fails the sink with the error of the system', async t => {
  const sink = await fileSink('/dev/full', info)
  await t.rejects(write(sink, 'x'), { code: 'ENOSPC' })
  const several = await fileSink('/dev/full', info)
  several.write('a')
  several.write('b')
  await t.rejects(finished(several.end('c')), { code: 'ENOSPC' })
})

t.test('what cannot be written is found before there is a connection, and nothing is created', async t => {
  const dir = t.testdir({ file: '', sub: {}, link: t.fixture('symlink', 'file') })
  const at = (name: string) => join(dir, name)
  for (const [name, options, error] of [
    [
      '{remote}-{ID}',
      {},
      {
        code: 'ERR_OPTION',
        message: /'\{ID\}' is not a placeholder; expected \{id\}, \{remote\}, \{port\}, \{time\} or \{name\}$/,
      },
    ],
    ['file', {}, { code: 'ERR_FILE_EXISTS', message: `'${at('file')}' exists; force replaces it, append adds to it` }],
    ['link', {}, { code: 'ERR_FILE_EXISTS' }],
    ['link', { append: true }, { code: 'ERR_FILE_EXISTS', message: /is a link, and is not followed/ }],
    ['sub', { force: true }, { code: 'ERR_OPTION', message: /this is a folder/ }],
    ['new/', {}, { code: 'ERR_OPTION', message: /this is a folder/ }],
    ['file/x', {}, { code: 'ERR_OPTION', message: /cannot be written: .*ENOTDIR/ }],
    [
      'file/{id}',
      {},
      { code: 'ERR_OPTION', message: `'${at('file/{id}')}' cannot be written: '${at('file')}' is no folder` },
    ],
    ['file/below/{id}', {}, { code: 'ERR_OPTION', message: /cannot be written: .*ENOTDIR/ }],
  ] as const)
    await t.rejects(checkFileSink(at(name), options), error, name)
  for (const [name, options] of [
    ['new', {}],
    ['a/b/{id}', {}],
    ['sub/{remote}/{time}-{port}', {}],
    ['file', { append: true }],
    ['file', { force: true }],
    ['link', { force: true }],
  ] as const)
    await t.resolves(checkFileSink(at(name), options), name)
  await t.resolves(checkFileSink('/dev/null'))
  t.same(readdirSync(dir).sort(), ['file', 'link', 'sub'])
})

t.test('a folder and a file without permission are found before there is a connection', async t => {
  const dir = t.testdir({ file: '' })
  t.intercept(promises, 'access', {
    value: () => Promise.reject(Object.assign(new Error('EACCES'), { code: 'EACCES' })),
  })
  syncBuiltinESMExports()
  t.teardown(syncBuiltinESMExports)
  for (const [name, options] of [
    ['new', {}],
    ['sub/{id}', {}],
    ['file', { append: true }],
  ] as const)
    await t.rejects(checkFileSink(join(dir, name), options), {
      code: 'ERR_OPTION',
      message: /cannot be written: EACCES/,
    })
})

t.test(
  'a file that a session brings through stages is on the disk before the receipt, which says what was written',
  async t => {
    const dir = t.testdir({})
    const session = fakeSession()
    const sink = await fileSink(join(dir, 'in/{name}'), { ...info, name: 'a/b' }, { session })
    await write(sink, 'what the stages', ' have made')
    t.equal(text(join(dir, 'in/a/b')), 'what the stages have made')
    t.same(readdirSync(join(dir, 'in/a')), ['b'])
    const sha256 = createHash('sha256').update('what the stages have made').digest('hex')
    t.same(session.written, { written: { bytes: 25, sha256 } })
    const failed = await fileSink(join(dir, 'in/f'), info, { session: fakeSession() })
    await broken(failed)
    t.same(readdirSync(join(dir, 'in')), ['a', 'f.part'])
    const early = { ...fakeSession(), isEnded: false, received: 5 }
    const message = 'truncated: closed after 5 bytes, before the end of the sender'
    await t.rejects(write(await fileSink(join(dir, 'in/g'), info, { session: early }), 'some'), { message })
    t.same(readdirSync(join(dir, 'in')), ['a', 'f.part', 'g.part'])
  },
)

t.test('what a session adds to a file is on the disk; a device has no disk', async t => {
  const dir = t.testdir({ f: 'old ' })
  const { open } = promises
  const synced: string[] = []
  promises.open = async (path, ...more) => {
    const handle = await open(path, ...more)
    const { sync } = handle
    handle.sync = () => {
      synced.push(String(path))
      return sync.call(handle)
    }
    return handle
  }
  syncBuiltinESMExports()
  t.teardown(() => {
    promises.open = open
    syncBuiltinESMExports()
  })
  for (const name of ['f', 'g']) {
    const path = join(dir, name)
    await write(await fileSink(path, info, { append: true, session: fakeSession() }), 'new')
    t.equal(text(path), name === 'f' ? 'old new' : 'new')
    t.same(synced.splice(0), [path, dir])
  }
  await write(await fileSink('/dev/null', info, { session: fakeSession() }), 'new')
  t.same(synced, [])
})
