import { readdirSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { KeptFile } from '../../../../lib/endpoints/file/kept-file.js'
import { openNotes, readNotes } from '../../../../lib/endpoints/file/session-notes.js'

const owner = { id: '0'.repeat(32), secret: '1'.repeat(32) }

async function opened(t: Test) {
  const part = join(t.testdir({}), 'f.part')
  const handle = await open(part, 'wx')
  const notes = await openNotes(part, owner)
  const file = new KeptFile(part, handle, notes, 0)
  t.teardown(() => file.leave(true))
  return { part, handle, notes, file, folder: join(part, '..') }
}

/** A handle that writes at most so many bytes at once. */
function slow(handle: FileHandle, most: number): void {
  const write = handle.write.bind(handle) as (...given: unknown[]) => Promise<{ bytesWritten: number }>
  handle.writev = (async (parts: Buffer[], position: number) => {
    const bytes = Buffer.concat(parts).subarray(0, most)
    const { bytesWritten } = await write(bytes, 0, bytes.length, position)
    return { bytesWritten, buffers: parts }
  }) as never
}

const bytes = (...texts: string[]) => texts.map(text => Buffer.from(text))

t.test('everything is written, in however many parts, and those who wait hear of it', async t => {
  for (const most of [1, 2, 3, 100]) {
    const { part, handle, file } = await opened(t)
    slow(handle, most)
    const reached: number[] = []
    for (const offset of [3, 6]) void file.reached(offset).then(() => reached.push(offset))
    await file.write(bytes('ab', '', 'c'))
    await new Promise(setImmediate)
    t.same(reached, [3])
    await file.write(bytes('defg'))
    await new Promise(setImmediate)
    t.same(reached, [3, 6])
    await file.reached(7)
    t.equal(file.position, 7)
    t.equal(readFileSync(part, 'utf8'), 'abcdefg')
  }
})

t.test('it goes back to an offset, and on from there', async t => {
  const { part, file } = await opened(t)
  await file.write(bytes('abcdef'))
  await file.rewind(2)
  t.equal(readFileSync(part, 'utf8'), 'ab')
  await file.write(bytes('XY'))
  t.equal(readFileSync(part, 'utf8'), 'abXY')
})

t.test('data is on the disk before the notes about it are', async t => {
  const { handle, notes, file } = await opened(t)
  const order: string[] = []
  const { datasync } = handle
  handle.datasync = async () => {
    await datasync.call(handle)
    order.push('data')
  }
  const { save } = notes
  notes.save = async offset => {
    order.push('notes')
    await save.call(notes, offset)
  }
  await file.save(1)
  t.same(order, ['data', 'notes'])
  handle.datasync = () => Promise.reject(new Error('EIO'))
  await t.rejects(file.save(1), { message: 'EIO' })
  t.same(order, ['data', 'notes'], 'no notes of what is not on the disk')
})

t.test('what is not whole stays, with what is known of it', async t => {
  const { part, notes, file, folder } = await opened(t)
  await file.write(bytes('abcdef'))
  notes.note({ offset: 4, sha256: 'four' })
  notes.note({ offset: 9, sha256: 'nine' })
  const late = file.reached(9)
  await Promise.all([t.rejects(late, { code: 'ERR_CLOSED' }), file.leave(false)])
  t.same((await readNotes(part, owner))?.marks, [{ offset: 4, sha256: 'four' }])
  t.same(readdirSync(folder), ['f.part', 'f.part.session'])
  await t.rejects(file.reached(9), { code: 'ERR_CLOSED' })
  await file.reached(6)
})

t.test('a file without a byte is removed, unless it is another one', async t => {
  const { file, folder } = await opened(t)
  await file.leave(false)
  t.same(readdirSync(folder), [])
  const other = await opened(t)
  writeFileSync(join(other.folder, 'other'), '')
  renameSync(join(other.folder, 'other'), other.part)
  await other.file.leave(false)
  t.same(readdirSync(other.folder), ['f.part', 'f.part.session'])
  const gone = await opened(t)
  unlinkSync(gone.part)
  await gone.file.leave(false)
  t.same(readdirSync(gone.folder), ['f.part.session'])
})

t.test('it leaves after the write under way, also when that fails, and when a note cannot be written', async t => {
  const { part, handle, file, notes } = await opened(t)
  const writing = file.write(bytes('abc'))
  await file.leave(false)
  await writing
  t.equal(readFileSync(part, 'utf8'), 'abc')
  t.equal(handle.fd, -1)
  const full = await opened(t)
  await full.file.write(bytes('abc'))
  full.handle.writev = () => Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' }))
  full.handle.datasync = () => Promise.reject(new Error('EIO'))
  await t.rejects(full.file.write(bytes('def')), { code: 'ENOSPC' })
  await full.file.leave(false)
  t.equal(full.handle.fd, -1)
  await notes.close()
})

t.test('what is saved while it is closed, or after that, is no failure', async t => {
  const { file } = await opened(t)
  await file.write(bytes('abc'))
  const saving = [file.save(3), file.save(3)]
  const closing = file.close()
  await Promise.all([...saving, file.save(3), closing])
  await file.save(3)
})
