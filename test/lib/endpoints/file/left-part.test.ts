import { createHash } from 'node:crypto'
import { linkSync, readdirSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { findPart, freePart, hashed, mayBeEqual, right, unlinkTwin } from '../../../../lib/endpoints/file/left-part.js'
import { openNotes } from '../../../../lib/endpoints/file/session-notes.js'

const owner = { id: '0'.repeat(32), secret: '1'.repeat(32) }
const stranger = { ...owner, secret: '2'.repeat(32) }
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const data = Buffer.alloc(1_500_000, 'some bytes ')
const mark = (offset: number) => ({ offset, sha256: sha256(data.subarray(0, offset)) })

async function noted(part: string, who = owner, marks = [mark(10)]): Promise<void> {
  await (await openNotes(part, who, marks)).close()
}

t.test('the part of an earlier run of the session is found, behind those of others', async t => {
  const path = join(t.testdir({}), 'f')
  t.equal(await findPart(path, owner), undefined)
  writeFileSync(`${path}.part`, 'of a program that keeps no notes')
  await noted(`${path}.2.part`, stranger)
  t.equal(await findPart(path, owner), undefined)
  t.equal(await freePart(path), `${path}.3.part`)
  await noted(`${path}.3.part`)
  t.same(await findPart(path, owner), { part: `${path}.3.part`, marks: [mark(10)], complete: undefined })
  t.equal(await freePart(path), `${path}.4.part`)
  const notes = await openNotes(`${path}.3.part`, owner, [mark(10)])
  await notes.complete(mark(20))
  await notes.close()
  t.match(await findPart(path, owner), { marks: [mark(10), mark(20)], complete: mark(20) })
})

t.test('a name that cannot be looked at is an error', async t => {
  const path = join(t.testdir({ file: '' }), 'file', 'f')
  await t.rejects(freePart(path), { code: 'ENOTDIR' })
})

async function rightOf(t: Test, content: Buffer, marks: { offset: number; sha256: string }[]) {
  const path = join(t.testdir({}), 'f')
  writeFileSync(path, content)
  const handle = await open(path, 'r')
  t.teardown(() => handle.close())
  const kept = await right(handle, marks)
  t.equal(kept.hash.copy().digest('hex'), sha256(data.subarray(0, kept.offset)))
  await handle.stat() // it is open
  return kept
}

t.test('of a part is right what its marks say, up to the first one that differs', async t => {
  const marks = [10, 65_536, 524_288, 600_000, 1_500_000].map(mark)
  t.same((await rightOf(t, data, marks)).marks, marks)
  t.same((await rightOf(t, data, [...marks].reverse())).marks, marks, 'in any order')
  t.same((await rightOf(t, data, [mark(10), mark(10)])).offset, 10, 'and twice')
  t.equal((await rightOf(t, data, [])).offset, 0)
  t.equal((await rightOf(t, Buffer.alloc(0), marks)).offset, 0)
  t.equal((await rightOf(t, data.subarray(0, 600_001), marks)).offset, 600_000, 'a part that is shorter than its notes')
  for (const [at, last] of [
    [0, 0],
    [9, 0],
    [10, 10],
    [65_536, 65_536],
    [599_999, 524_288],
    [600_000, 600_000],
  ] as const) {
    const changed = Buffer.from(data)
    changed[at] = (changed[at] as number) ^ 1
    t.equal((await rightOf(t, changed, marks)).offset, last, `a bit at ${at} has changed`)
  }
})

t.test('a file may be the one of a sender that can read again, unless its size is another one', async t => {
  const path = join(t.testdir({ f: 'four' }), 'f')
  t.ok(await mayBeEqual(path, { rereadable: true, size: 4 }, undefined))
  t.ok(await mayBeEqual(path, { rereadable: true }, undefined))
  t.notOk(await mayBeEqual(path, { rereadable: true, size: 5 }, undefined))
  t.notOk(await mayBeEqual(path, { rereadable: false, size: 4 }, undefined))
  t.ok(await mayBeEqual(path, { rereadable: false }, mark(4)), 'a run of the session was complete')
  t.notOk(await mayBeEqual(path, { rereadable: false, size: 4 }, mark(5)))
})

t.test('a file is hashed as a whole', async t => {
  const path = join(t.testdir({}), 'f')
  writeFileSync(path, data)
  const { offset, hash } = await hashed(path)
  t.same([offset, hash.digest('hex')], [data.length, sha256(data)])
})

t.test('the former name of a file that has its final one is removed, and nothing else', async t => {
  const folder = t.testdir({ f: 'whole', 'other.part': 'whole' })
  const path = join(folder, 'f')
  const found = (name: string) => ({ part: join(folder, name), marks: [], complete: undefined })
  linkSync(path, join(folder, 'f.part'))
  await unlinkTwin(path, found('f.part'))
  await unlinkTwin(path, found('f.part'))
  await unlinkTwin(path, found('other.part'))
  await unlinkTwin(join(folder, 'none'), found('other.part'))
  t.same(readdirSync(folder), ['f', 'other.part'])
})
