import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  appendFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import promises from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Sink } from '../../../../lib/endpoints/endpoint.js'
import { openNotes } from '../../../../lib/endpoints/file/session-notes.js'
import { sessionSink } from '../../../../lib/endpoints/file/session-sink.js'
import type { Hello } from '../../../../lib/endpoints/session/hello.js'
import { type FakeSession, fakeSession } from './fake-session.js'

const info = { id: 'abc', remote: '127.0.0.1', port: 4000 } as const
const data = randomBytes(300_000)
const half = data.subarray(0, 150_000)
const rest = data.subarray(150_000)
const digestOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

interface Opened {
  readonly sink: Sink
  readonly session: FakeSession
}

async function opened(path: string, hello: Partial<Hello> = {}, force = false, signal?: AbortSignal): Promise<Opened> {
  const session = fakeSession({ name: 'f', ...hello })
  const connection = { ...info, name: session.hello.name, session, isUnchanged: true }
  return { sink: await sessionSink(path, connection, { force, signal }), session }
}

/** Gives the first half, and fails: as a receiver that is killed, if the notes are not saved. */
async function interrupted(path: string, hello: Partial<Hello> = {}): Promise<void> {
  const { sink, session } = await opened(path, hello)
  await session.give(sink, half)
  await broken(sink)
}

/** Ends it. Resolves when the notes are removed, too. */
async function whole({ sink, session }: Opened): Promise<void> {
  const file = (sink.report?.() as { file: string } | undefined)?.file
  await session.end(sink)
  await gone(`${file}.session`)
}

async function broken(sink: Sink): Promise<void> {
  const closed = new Promise(resolve => sink.once('close', resolve))
  sink.on('error', () => {}).destroy(new Error('broken'))
  await closed
}

function place(t: Test): { folder: string; path: string } {
  const folder = t.testdir({})
  return { folder, path: join(folder, 'f') }
}

t.test('a file has its name when it is whole, and nothing else is left', async t => {
  const { folder } = place(t)
  const { sink, session } = await opened(join(folder, 'in/{name}'), { name: 'deep/er/f', size: data.length })
  t.equal(session.keeper?.resumed, undefined)
  await session.give(sink, half)
  t.same(readdirSync(join(folder, 'in/deep/er')), ['f.part', 'f.part.session'])
  t.same(sink.report?.(), { file: join(folder, 'in/deep/er/f.part'), bytes: half.length })
  await session.keeper?.written(half.length)
  await session.keeper?.saved(half.length)
  sink.cork()
  const written = [session.give(sink, rest.subarray(0, 10)), session.give(sink, rest.subarray(10))]
  sink.uncork()
  await Promise.all(written)
  await whole({ sink, session })
  t.same(readFileSync(join(folder, 'in/deep/er/f')), data)
  t.same(readdirSync(join(folder, 'in/deep/er')), ['f'])
  t.same(sink.report?.(), { file: join(folder, 'in/deep/er/f'), bytes: data.length })
  t.equal(session.written, undefined)
  t.ok(sink.isExact)
})

t.test('an empty file is a file', async t => {
  const { folder, path } = place(t)
  const { sink, session } = await opened(path, { size: 0 })
  await whole({ sink, session })
  t.same(readFileSync(path, 'utf8'), '')
  t.same(readdirSync(folder), ['f'])
})

t.test('permissions and time are those of the sender, if it says them', async t => {
  const { path } = place(t)
  const { sink, session } = await opened(path, { mode: 0o6750, mtime: 1_000_000_000_000 })
  await whole({ sink, session })
  t.equal(statSync(path).mode & 0o7777, 0o750)
  t.equal(statSync(path).mtimeMs, 1_000_000_000_000)
})

t.test('a session goes on from the last note that is right', async t => {
  const { folder, path } = place(t)
  await interrupted(path)
  t.same(readdirSync(folder), ['f.part', 'f.part.session'])
  const { sink, session } = await opened(path, { size: data.length })
  t.equal(session.keeper?.resumed?.offset, half.length)
  t.equal(session.keeper?.resumed?.hash.copy().digest('hex'), digestOf(half))
  await session.give(sink, rest)
  await whole({ sink, session })
  t.same(readFileSync(path), data)
  t.same(sink.report?.(), { file: path, bytes: data.length, resumed: half.length })
  t.same(readdirSync(folder), ['f'])
})

t.test('what has changed on the disk is not gone on from', async t => {
  const changes: Record<string, (part: string) => void> = {
    'a byte of it has changed': part => {
      const bytes = readFileSync(part)
      bytes[70_000] = (bytes[70_000] as number) ^ 1
      writeFileSync(part, bytes)
    },
    'a note is torn': part => truncateSync(`${part}.session`, statSync(`${part}.session`).size - 20),
    'the notes are gone but for their first line': part =>
      writeFileSync(`${part}.session`, `${readFileSync(`${part}.session`, 'utf8').split('\n')[0]}\n`),
    'the part is shorter than its notes': part => truncateSync(part, 1000),
    'the part is gone': unlinkSync,
  }
  for (const [what, change] of Object.entries(changes)) {
    const { folder, path } = place(t)
    await interrupted(path)
    change(`${path}.part`)
    const { sink, session } = await opened(path)
    t.equal(session.keeper?.resumed, undefined, what)
    await session.give(sink, data)
    await whole({ sink, session })
    t.same(readFileSync(path), data, what)
    t.same(readdirSync(folder), ['f'], what)
  }
})

t.test('bytes behind the last note are dropped', async t => {
  const { path } = place(t)
  await interrupted(path)
  appendFileSync(`${path}.part`, 'bytes that nobody has checked')
  const { sink, session } = await opened(path)
  t.equal(statSync(`${path}.part`).size, half.length)
  await session.give(sink, rest)
  await whole({ sink, session })
  t.same(readFileSync(path), data)
})

t.test('the part of another owner stays, and another one is written', async t => {
  for (const hello of [{ id: '5'.repeat(32) }, { secret: '5'.repeat(32) }]) {
    const { folder, path } = place(t)
    await interrupted(path)
    const { sink, session } = await opened(path, hello)
    t.equal(session.keeper?.resumed, undefined)
    await session.give(sink, data)
    t.same(readdirSync(folder), ['f.2.part', 'f.2.part.session', 'f.part', 'f.part.session'])
    await whole({ sink, session })
    t.same(readFileSync(path), data)
    t.same(readFileSync(`${path}.part`), half)
  }
})

t.test('a sender that begins anew gets a new file, and its former one is not written any more', async t => {
  const { folder, path } = place(t)
  await interrupted(path)
  linkSync(`${path}.part`, join(folder, 'witness'))
  const { sink, session } = await opened(path, { restart: true })
  t.equal(session.keeper?.resumed, undefined)
  await session.give(sink, rest)
  await whole({ sink, session })
  t.same(readFileSync(path), rest)
  t.same(readFileSync(join(folder, 'witness')), half)
  t.same(readdirSync(folder), ['f', 'witness'])
})

t.test('it begins anew while its former file is still being closed', async t => {
  const { path } = place(t)
  const { sink, session } = await opened(path)
  await session.give(sink, half)
  sink.on('error', () => {}).destroy(new Error('the sender begins anew'))
  const next = await opened(path, { restart: true })
  await next.session.give(next.sink, data)
  await whole(next)
  t.same(readFileSync(path), data)
})

t.test('two senders of one name: the second one is refused, and the first one is undisturbed', async t => {
  const { path } = place(t)
  const { sink, session } = await opened(path)
  await session.give(sink, half)
  const other = opened(path, { id: '5'.repeat(32) }, true)
  await t.rejects(other, { code: 'ERR_FILE_EXISTS', message: `'${path}' is being written by another connection` })
  await session.give(sink, rest)
  await whole({ sink, session })
  t.same(readFileSync(path), data)
})

t.test(
  'another process that writes the same name has a part of its own; the first one to be whole has the name',
  async t => {
    const { folder, path } = place(t)
    symlinkSync(folder, join(folder, '../alias'))
    t.teardown(() => unlinkSync(join(folder, '../alias')))
    const first = await opened(path)
    const second = await opened(join(folder, '../alias/f'), { id: '5'.repeat(32) })
    await first.session.give(first.sink, half)
    await second.session.give(second.sink, rest)
    await whole(second)
    await t.rejects(first.session.end(first.sink), { code: 'ERR_FILE_EXISTS' })
    t.same(readFileSync(path), rest)
    t.same(readFileSync(`${path}.part`), half)
  },
)

t.test('an equal file is skipped, if its sender can read again', async t => {
  const { folder, path } = place(t)
  writeFileSync(path, data)
  const { sink, session } = await opened(path, { size: data.length })
  const { resumed } = session.keeper ?? {}
  t.equal(resumed?.offset, data.length)
  t.equal(resumed?.hash.copy().digest('hex'), digestOf(data))
  await session.keeper?.written(data.length)
  await session.keeper?.saved(data.length)
  await whole({ sink, session })
  t.same(session.written, { skipped: true })
  t.same(sink.report?.(), { file: path, bytes: data.length, skipped: true })
  t.same(readdirSync(folder), ['f'])
  await t.rejects(opened(path, { size: data.length, rereadable: false }), { code: 'ERR_FILE_EXISTS' })
  await t.rejects(opened(path, { size: data.length - 1 }), { code: 'ERR_FILE_EXISTS' })
  await broken((await opened(path)).sink)
})

t.test('another file is not replaced, whatever its sender sends', async t => {
  const { path } = place(t)
  writeFileSync(path, data)
  const { sink, session } = await opened(path, { size: data.length })
  await t.rejects(session.keeper?.rewind(0) as Promise<void>, { code: 'ERR_FILE_EXISTS' })
  await t.rejects(
    session.give(
      sink.on('error', () => {}),
      half,
    ),
    { code: 'ERR_FILE_EXISTS' },
  )
  await t.rejects(opened(path, { size: data.length, restart: true }), { code: 'ERR_FILE_EXISTS' })
  t.same(readFileSync(path), data)
})

t.test('with force, a file is replaced when the new one is whole', async t => {
  const { folder, path } = place(t)
  writeFileSync(path, half)
  const { sink, session } = await opened(path, { size: data.length }, true)
  await session.give(sink, data)
  t.same(readFileSync(path), half)
  await whole({ sink, session })
  t.same(readFileSync(path), data)
  t.same(readdirSync(folder), ['f'])
  const anew = await opened(path, { size: data.length, restart: true }, true)
  t.equal(anew.session.keeper?.resumed, undefined)
  await broken(anew.sink)
  t.same(readFileSync(path), data)
})

t.test('a folder of this name, and a link, are not written', async t => {
  const { folder, path } = place(t)
  mkdirSync(path)
  await t.rejects(opened(path, {}, true), { code: 'ERR_FILE_EXISTS', message: /is a directory/ })
  symlinkSync('/etc/none', join(folder, 'link'))
  await t.rejects(opened(join(folder, 'link')), { code: 'ERR_FILE_EXISTS' })
  await (await openNotes(`${path}.part`, fakeSession().hello, [{ offset: 9, sha256: 'x' }])).close()
  rmSync(path, { recursive: true })
  writeFileSync(join(folder, 'victim'), data)
  symlinkSync(join(folder, 'victim'), `${path}.part`)
  await t.rejects(opened(path), { code: 'ELOOP' }, 'a part that is a link, in spite of its notes')
  t.same(readFileSync(join(folder, 'victim')), data)
})

t.test('a device and a FIFO take the data as it comes', async t => {
  const { folder } = place(t)
  const { sink, session } = await opened('/dev/null')
  await session.give(sink, half)
  await whole({ sink, session })
  t.same(sink.report?.(), { file: '/dev/null', bytes: half.length })
  execFileSync('mkfifo', [join(folder, 'fifo')])
  const { sink: pipe } = await opened(join(folder, 'fifo'), {}, true)
  await broken(pipe)
  t.ok(statSync(join(folder, 'fifo')).isFIFO())
})

t.test('a session that is closed before the end of its sender leaves no file', async t => {
  const { folder, path } = place(t)
  const { sink, session } = await opened(path)
  await session.give(sink, half)
  const message = 'truncated: closed after 150000 bytes, before the end of the sender'
  await t.rejects(session.end(sink, false), { code: 'ERR_SESSION', message })
  t.same(readdirSync(folder), ['f.part', 'f.part.session'])
})

t.test('what is written is what has arrived, or there is no file', async t => {
  const { folder, path } = place(t)
  const { sink, session } = await opened(path)
  await session.give(sink, half)
  sink.write('a byte too many')
  const message = '150000 bytes arrived and 150015 were written'
  await t.rejects(session.end(sink), { code: 'ERR_SESSION', message })
  t.notOk(existsSync(join(folder, 'f')))
})

t.test('after a digest that differs, the file goes back, and on with what is right', async t => {
  const { path } = place(t)
  const { sink, session } = await opened(path)
  await session.give(sink, half)
  await new Promise<void>(resolve => sink.write(randomBytes(500), () => resolve()))
  await session.keeper?.rewind(half.length)
  await session.give(sink, rest)
  await whole({ sink, session })
  t.same(readFileSync(path), data)
})

t.test('a part that vanishes or is replaced while it is written never gets the name', async t => {
  const { folder, path } = place(t)
  const vanished = await opened(path)
  await vanished.session.give(vanished.sink, data)
  unlinkSync(`${path}.part`)
  await t.rejects(vanished.session.end(vanished.sink), { code: 'ENOENT' })
  t.same(readdirSync(folder), ['f.part.session'])
  const { sink, session } = await opened(path, { size: data.length })
  t.equal(session.keeper?.resumed, undefined, 'notes without a part')
  await session.give(sink, data)
  writeFileSync(join(folder, 'other'), 'other')
  renameSync(join(folder, 'other'), `${path}.part`)
  await t.rejects(session.end(sink), { code: 'ERR_FILE_REPLACED' })
  t.notOk(existsSync(path))
  t.equal(readFileSync(`${path}.part`, 'utf8'), 'other')
})

t.test('a name that is taken meanwhile is not replaced', async t => {
  const { path } = place(t)
  const { sink, session } = await opened(path)
  await session.give(sink, data)
  writeFileSync(path, 'faster')
  await t.rejects(session.end(sink), { code: 'ERR_FILE_EXISTS', message: /exists; force replaces it/ })
  t.equal(readFileSync(path, 'utf8'), 'faster')
})

t.test('a folder that is gone before the end: no file, and the reason', async t => {
  const { folder } = place(t)
  const { sink, session } = await opened(join(folder, '{name}'), { name: 'in/f' })
  await session.give(sink, data)
  rmSync(join(folder, 'in'), { recursive: true })
  await t.rejects(session.end(sink), { code: 'ENOENT' })
})

/** The state after a run that was killed at some place behind the last byte. */
async function killed(path: string, after: 'complete' | 'link' | 'name'): Promise<void> {
  await interrupted(path)
  const { sink, session } = await opened(path)
  await session.give(sink, rest)
  await broken(sink)
  const marks = [half, data].map(bytes => ({ offset: bytes.length, sha256: digestOf(bytes) }))
  const notes = await openNotes(`${path}.part`, session.hello, marks)
  await notes.complete(marks[1] as (typeof marks)[0])
  await notes.close()
  if (after !== 'complete') linkSync(`${path}.part`, path)
  if (after === 'name') unlinkSync(`${path}.part`)
}

t.test('a run that was killed between the last note and the name is continued', async t => {
  const { folder, path } = place(t)
  await killed(path, 'complete')
  const { sink, session } = await opened(path, { rereadable: false })
  t.equal(session.keeper?.resumed?.offset, data.length)
  await whole({ sink, session })
  t.same(readFileSync(path), data)
  t.same(readdirSync(folder), ['f'])
})

t.test('a run that was killed between the name and the receipt is continued, and its traces are removed', async t => {
  for (const after of ['link', 'name'] as const) {
    const { folder, path } = place(t)
    await killed(path, after)
    const { sink, session } = await opened(path, { rereadable: false })
    t.equal(session.keeper?.resumed?.offset, data.length)
    await whole({ sink, session })
    await gone(`${path}.part.session`)
    t.same(readFileSync(path), data)
    t.same(readdirSync(folder), ['f'], after)
  }
})

t.test('a sender that begins anew after that does not change the file that has the name', async t => {
  const { folder, path } = place(t)
  await killed(path, 'link')
  const { sink, session } = await opened(path, { restart: true }, true)
  await session.give(sink, half)
  t.same(readFileSync(path), data)
  await whole({ sink, session })
  t.same(readFileSync(path), half)
  t.same(readdirSync(folder), ['f'])
})

async function gone(path: string): Promise<void> {
  while (existsSync(path)) await new Promise(setImmediate)
}

t.test('a connection that is over meanwhile leaves nothing, and the name is free', async t => {
  const { folder, path } = place(t)
  const signal = AbortSignal.abort()
  await t.rejects(opened(path, {}, false, signal), { name: 'AbortError' })
  t.same(readdirSync(folder), [])
  await broken((await opened(path)).sink)
  t.same(readdirSync(folder), [])
})

async function closing(sink: Sink): Promise<void> {
  if (!sink.closed) await new Promise(resolve => sink.once('close', resolve))
}

/** Changes what the file system says for the handles of files that open from now on. */
function withHandles(t: Test, change: (handle: promises.FileHandle, path: string) => void): void {
  const { open } = promises
  promises.open = async (path, ...more) => {
    const handle = await open(path, ...more)
    try {
      change(handle, String(path))
    } catch (error) {
      await handle.close()
      throw error
    }
    return handle
  }
  syncBuiltinESMExports()
  t.teardown(() => {
    promises.open = open
    syncBuiltinESMExports()
  })
}

const fails = (code: string) => () => Promise.reject(Object.assign(new Error(code), { code }))

t.test(
  'the file is on the disk before it is said to be complete, before it has its name, before its folder is',
  async t => {
    const { path, folder } = place(t)
    const order: string[] = []
    withHandles(t, (handle, path) => {
      const what = path === folder ? 'folder' : path.endsWith('.part') ? 'file' : 'notes'
      for (const name of ['sync', 'datasync'] as const) {
        const original = handle[name]
        handle[name] = async () => {
          await original.call(handle)
          const isNamed = existsSync(join(folder, 'f'))
          order.push(`${what}${isNamed ? ', with the name' : ''}`)
        }
      }
    })
    const { sink, session } = await opened(path)
    await session.give(sink, data)
    await whole({ sink, session })
    t.same(order, ['file', 'notes', 'folder, with the name'])
  },
)

t.test('a disk that is full or fails: no file, the reason, and what is right can be continued', async t => {
  for (const method of ['writev', 'sync', 'chmod'] as const) {
    await t.test(method, async t => {
      const { folder, path } = place(t)
      let isBad = false
      withHandles(t, handle => {
        const original = handle[method] as (...given: unknown[]) => Promise<never>
        handle[method] = ((...given: unknown[]) => (isBad ? fails('ENOSPC')() : original.apply(handle, given))) as never
      })
      const { sink, session } = await opened(path, { mode: 0o644 })
      await session.give(sink, half)
      isBad = true
      const finishing = session
        .give(
          sink.on('error', () => {}),
          rest,
        )
        .then(() => session.end(sink))
      await t.rejects(finishing, { code: 'ENOSPC' })
      await closing(sink)
      isBad = false
      t.same(readdirSync(folder), ['f.part', 'f.part.session'])
      const next = await opened(path)
      const resumed = next.session.keeper?.resumed?.offset as number
      t.ok(resumed >= half.length)
      await next.session.give(next.sink, data.subarray(resumed))
      await whole(next)
      t.same(readFileSync(path), data)
    })
  }
})

t.test('a folder whose names cannot be brought to the disk: the file does not get its name', async t => {
  const { folder, path } = place(t)
  withHandles(t, (_handle, path) => {
    if (path === folder) throw Object.assign(new Error('EACCES'), { code: 'EACCES' })
  })
  const { sink, session } = await opened(path)
  await session.give(sink, data)
  await t.rejects(session.end(sink), { code: 'EACCES' })
  t.same(readdirSync(folder), ['f.part', 'f.part.session'])
})

t.test('data that the disk has not got once fails the transfer: later, the disk may say that all is well', async t => {
  const { folder, path } = place(t)
  let isBad = true
  withHandles(t, handle => {
    const { datasync } = handle
    handle.datasync = () => (isBad ? fails('EIO')() : datasync.call(handle))
  })
  const { sink, session } = await opened(path)
  await session.give(sink, half)
  const failed = once(sink, 'error')
  await t.rejects(session.keeper?.saved(half.length) as Promise<void>, { code: 'EIO' })
  isBad = false
  t.match(await failed, [{ code: 'EIO' }])
  await closing(sink)
  t.same(readdirSync(folder), ['f.part', 'f.part.session'])
})

t.test('what cannot be opened leaves nothing open and no name taken', async t => {
  const { folder, path } = place(t)
  let handles: promises.FileHandle[] = []
  let wrong: { method: 'read' | 'truncate' | 'appendFile' | 'stat'; of: string } | undefined
  withHandles(t, (handle, path) => {
    handles.push(handle)
    if (wrong && path.endsWith(wrong.of)) handle[wrong.method] = fails('EIO') as never
  })
  wrong = { method: 'appendFile', of: '.new' }
  await t.rejects(opened(path), { code: 'EIO' })
  t.same(readdirSync(folder), [])
  wrong = undefined
  await interrupted(path)
  for (const method of ['read', 'truncate'] as const) {
    wrong = { method, of: '.part' }
    await t.rejects(opened(path), { code: 'EIO' })
    t.same(readdirSync(folder), ['f.part', 'f.part.session'], 'it can be continued later')
  }
  t.ok(handles.every(({ fd }) => fd === -1))
  handles = []
})

t.test('a part that another program makes at the same time is not taken', async t => {
  const { folder, path } = place(t)
  const { open } = promises
  promises.open = async (name, flags, ...more) => {
    if (flags === 'wx' && !existsSync(`${path}.part`)) writeFileSync(`${path}.part`, 'of another program')
    return open(name, flags, ...more)
  }
  syncBuiltinESMExports()
  t.teardown(() => {
    promises.open = open
    syncBuiltinESMExports()
  })
  const { sink, session } = await opened(path)
  await session.give(sink, data)
  await whole({ sink, session })
  t.same(readFileSync(path), data)
  t.same(readdirSync(folder), ['f', 'f.part'])
  t.equal(readFileSync(`${path}.part`, 'utf8'), 'of another program')
})
