import { execFileSync, spawn } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type HandleFile, type Mode, openOutput, placeOf, writeParts } from '../../../lib/stages/output-file.js'
import { connection, noise } from '../../laws/support.js'
import { collect } from '../network.js'

const text = (path: string) => readFileSync(path, 'utf8')

/** A file, a folder and a FIFO, each with a link to it, and a link to nothing. */
function everything(t: Test): string {
  const dir = t.testdir({ file: 'old', folder: {} })
  execFileSync('mkfifo', [`${dir}/fifo`])
  for (const name of ['file', 'folder', 'fifo', 'missing']) symlinkSync(`${dir}/${name}`, `${dir}/to-${name}`)
  symlinkSync('/dev/null', `${dir}/to-device`)
  return dir
}

async function written(path: string, mode: Mode, ...texts: string[]): Promise<number> {
  const file = await openOutput(await placeOf(path), mode)
  await file.opened()
  for (const each of texts) await file.write(Buffer.from(each))
  await Promise.all([file.close(), file.close()])
  await file.close()
  return file.bytes
}

t.test('placeOf: what has the name', async t => {
  const dir = everything(t)
  for (const [name, kind, isLink] of [
    ['missing', 'missing', false],
    ['file', 'file', false],
    ['folder', 'directory', false],
    ['fifo', 'fifo', false],
    ['to-missing', 'link', true],
    ['to-file', 'link', true],
    ['to-folder', 'directory', true],
    ['to-fifo', 'fifo', true],
    ['to-device', 'device', true],
  ] as const)
    t.strictSame(await placeOf(`${dir}/${name}`), { path: `${dir}/${name}`, kind, isLink })
  t.match(await placeOf('/dev/null'), { kind: 'device', isLink: false })
  await t.rejects(placeOf(`${dir}/file/below`), { code: 'ENOTDIR' })
})

t.test('placeOf: a link that a peer could choose is not followed, wherever it leads (G-03)', async t => {
  const dir = everything(t)
  for (const name of ['file', 'fifo', 'device', 'missing'])
    t.match(await placeOf(`${dir}/{remote}-${name}`, { ...connection, remote: 'to' }), { kind: 'link' }, name)
})

t.test('placeOf: the names of open descriptors are links, and are followed', async t => {
  const dir = everything(t)
  const fd = openSync(`${dir}/file`, 'a')
  t.teardown(() => closeSync(fd))
  for (const path of [`/dev/fd/${fd}`, `/proc/self/fd/${fd}`]) {
    t.strictSame(await placeOf(path), { path, kind: 'file', isLink: true })
    await written(path, 'append', '+')
  }
  t.equal(text(`${dir}/file`), 'old++')
  t.match(await placeOf(`${dir}/dev/fd/1`), { kind: 'missing' })
})

t.test('placeOf: it makes folders if it is asked to, and none through a link (G-03)', async t => {
  const dir = t.testdir({ in: {}, out: {}, mine: {} })
  const named = (remote: string) => ({ ...connection, remote })
  await placeOf(`${dir}/in/a/{remote}/b/{id}/c`, named('x'))
  t.same(readdirSync(`${dir}/in`), [])
  const { path } = await placeOf(`${dir}/in/a/{remote}/b/{id}/c`, named('x'), true)
  t.equal(path, `${dir}/in/a/x/b/c1/c`)
  t.same(readdirSync(`${dir}/in/a/x/b/c1`), [])
  symlinkSync(`${dir}/out`, `${dir}/in/link`)
  for (const create of [false, true])
    for (const name of ['{remote}/f', '{remote}/sub/f', '{remote}/../f', 'l{remote}k/f']) {
      const remote = name.startsWith('l') ? 'in' : 'link'
      await t.rejects(placeOf(`${dir}/in/${name}`, named(remote), create), {
        code: 'ERR_FILE_EXISTS',
        message: `'${dir}/in/link' is a link, and is not followed`,
      })
    }
  t.same(readdirSync(`${dir}/out`), [])
  await placeOf(`${dir}/in/link/{remote}/f`, named('y'), true)
  t.same(readdirSync(`${dir}/out`), ['y'], "a link of the operator's own is followed")
  writeFileSync(`${dir}/in/file`, '')
  await t.rejects(placeOf(`${dir}/in/{remote}/sub/f`, named('file'), true), { code: 'ENOTDIR' })
})

t.test('a file tells of each write', async t => {
  const file = (await openOutput(await placeOf(`${t.testdir({})}/f`), 'append')) as HandleFile
  const told: number[] = []
  file.onWritten = () => void told.push(file.bytes)
  await file.write(Buffer.from('ab'), Buffer.from('c'))
  await file.write(Buffer.from('d'))
  await file.close()
  t.same(told, [3, 4])
})

t.test('a file in memory is written at once after its first MiB, and every byte is there', async t => {
  const folder = mkdtempSync(existsSync('/dev/shm') ? '/dev/shm/tcp-pipe-' : join(tmpdir(), 'tcp-pipe-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const parts = [...Array(40)].map((_, i) => Buffer.alloc(100_000, `${i} `))
  const file = (await openOutput(await placeOf(`${folder}/f`), 'append')) as HandleFile
  for (let i = 0; i < 40; i += 2) await file.write(parts[i] as Buffer, parts[i + 1] as Buffer)
  t.equal(file.bytes, 4_000_000)
  t.ok(readFileSync(`${folder}/f`).equals(Buffer.concat(parts)))
  await file.close()
  await t.rejects(file.write(Buffer.from('closed')))
})

t.test('a file that has lost its name, and a device, are written, too', async t => {
  const path = `${t.testdir({})}/f`
  const large = Buffer.alloc(2_000_000)
  for (const each of [path, '/dev/null']) {
    const file = await openOutput(await placeOf(each), 'append')
    if (each === path) unlinkSync(path)
    await file.write(large)
    await file.write(large)
    t.equal(file.bytes, 4_000_000)
    await file.close()
  }
})

t.test('openOutput: append, replace and refuse', async t => {
  const dir = t.testdir({ a: 'old', r: 'old', x: 'old' })
  t.equal(await written(`${dir}/a`, 'append', 'n', 'ew'), 3)
  t.equal(await written(`${dir}/r`, 'replace', 'x'), 1)
  await t.rejects(written(`${dir}/x`, 'refuse', 'x'), { code: 'EEXIST' })
  t.same(
    ['a', 'r', 'x'].map(name => text(`${dir}/${name}`)),
    ['oldnew', 'x', 'old'],
  )
  for (const mode of ['append', 'replace', 'refuse'] as const) {
    await written(`${dir}/new-${mode}`, mode, 'new')
    t.equal(text(`${dir}/new-${mode}`), 'new', mode)
  }
})

t.test('openOutput: no mode follows a link, not even one that comes after the look (G-03)', async t => {
  const dir = everything(t)
  for (const mode of ['append', 'replace', 'refuse'] as const) {
    for (const name of ['to-file', 'to-missing'])
      await t.rejects(written(`${dir}/${name}`, mode, 'x'), {
        code: 'ERR_FILE_EXISTS',
        message: `'${dir}/${name}' is a link, and is not followed; expected the path that it leads to`,
      })
    const place = await placeOf(`${dir}/late`)
    symlinkSync(`${dir}/file`, place.path)
    await t.rejects(openOutput(place, mode), { code: /ELOOP|EEXIST/ })
    unlinkSync(place.path)
  }
  t.equal(text(`${dir}/file`), 'old')
  t.notOk(existsSync(`${dir}/missing`))
})

t.test('openOutput: a directory and a missing folder', async t => {
  const dir = t.testdir()
  mkdirSync(`${dir}/sub`)
  await t.rejects(written(`${dir}/sub`, 'replace'), { code: 'EISDIR' })
  await t.rejects(written(`${dir}/none/f`, 'refuse'), { code: 'ENOENT' })
})

t.test('openOutput: a device is written, whatever the mode', async t => {
  for (const mode of ['append', 'replace', 'refuse'] as const) t.equal(await written('/dev/null', mode, 'gone'), 4)
})

t.test('a FIFO is written when it has a reader, in order', async t => {
  const dir = everything(t)
  for (const [name, mode] of [
    ['fifo', 'refuse'],
    ['to-fifo', 'append'],
  ] as const) {
    const file = await openOutput(await placeOf(`${dir}/${name}`), mode)
    const data = noise(300_000)
    const writes = [file.write(data.subarray(0, 200_000)), file.write(data.subarray(200_000))]
    const reader = collect(spawn('cat', [`${dir}/fifo`]).stdout)
    await Promise.all(writes)
    t.equal(file.bytes, data.length)
    await file.close()
    t.ok((await reader).equals(data), name)
  }
})

t.test('a FIFO whose reader leaves fails the write', async t => {
  const path = `${everything(t)}/fifo`
  const reader = openSync(path, 'r+')
  const file = await openOutput(await placeOf(path), 'append')
  await file.opened()
  closeSync(reader)
  await t.rejects(file.write(Buffer.from('x')), { code: 'EPIPE' })
  await file.close()
  t.equal(file.bytes, 0)
  t.equal(descriptorsOf(path), 0)
})

t.test('a FIFO that waits for a reader is let go, and so is one that is full (G-09)', async t => {
  const path = `${everything(t)}/fifo`
  const waiting = await openOutput(await placeOf(path), 'append')
  const unwritten = waiting.write(Buffer.from('x'))
  await Promise.all([waiting.close(), t.rejects(unwritten, { code: 'ABORT_ERR' })])
  await t.rejects(waiting.opened(), { code: 'ABORT_ERR' })
  const reader = openSync(path, 'r+')
  const full = await openOutput(await placeOf(path), 'append')
  const pending = full.write(noise(1_000_000))
  await full.opened()
  await Promise.all([full.close(), t.rejects(pending, { code: 'ABORT_ERR' })])
  t.equal(full.bytes, 0)
  closeSync(reader)
  t.equal(descriptorsOf(path), 0)
})

t.test('a FIFO that is removed or replaced while it waits is an error', async t => {
  const path = `${everything(t)}/fifo`
  const place = await placeOf(path)
  const removed = await openOutput(place, 'append')
  unlinkSync(path)
  await t.rejects(removed.opened(), { code: 'ENOENT' })
  execFileSync('mkfifo', [path])
  const replaced = await openOutput(place, 'append')
  unlinkSync(path)
  writeFileSync(path, 'a file')
  await t.rejects(replaced.write(Buffer.from('x')), { code: 'ERR_INVALID_FD_TYPE' })
  await Promise.all([removed.close(), replaced.close()])
  t.equal(text(path), 'a file')
  t.equal(descriptorsOf(path), 0)
})

function descriptorsOf(path: string): number {
  return readdirSync('/proc/self/fd').filter(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path
    } catch {
      return false // it was that of the listing
    }
  }).length
}

t.test('writeParts: what one call leaves, the next one writes', async t => {
  for (const position of [undefined, 7]) {
    const written: { text: string; at: number | undefined }[] = []
    const handle = {
      async writev(parts: Uint8Array[], at?: number) {
        const bytes = Buffer.concat(parts).subarray(0, 3)
        written.push({ text: String(bytes), at })
        return { bytesWritten: bytes.length }
      },
    }
    const counts: number[] = []
    const parts = ['ab', 'c', 'defg', 'h'].map(text => Buffer.from(text))
    for await (const bytes of writeParts(handle as unknown as FileHandle, parts, position)) counts.push(bytes)
    t.same(counts, [3, 3, 2])
    const places = position === undefined ? [undefined, undefined, undefined] : [7, 10, 13]
    t.same(
      written,
      ['abc', 'def', 'gh'].map((text, i) => ({ text, at: places[i] })),
    )
  }
})
