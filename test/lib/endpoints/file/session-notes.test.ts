import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { notesName, openNotes, readNotes } from '../../../../lib/endpoints/file/session-notes.js'

const owner = { id: '0'.repeat(32), secret: '1'.repeat(32) }
const mark = (offset: number) => ({ offset, sha256: String(offset).padStart(64, '0') })
const none = { isOurs: false, marks: [], complete: undefined }
const MiB = 1024 * 1024

function place(t: Test): string {
  return join(t.testdir({}), 'f.part')
}

const lines = (part: string) => readFileSync(notesName(part), 'utf8').trim().split('\n')

t.test('notes are read as they were saved: those before the offset, and no others', async t => {
  const part = place(t)
  t.equal(await readNotes(part, owner), undefined)
  const notes = await openNotes(part, owner, [mark(MiB)])
  t.same(await readNotes(part, owner), { isOurs: true, marks: [mark(MiB)], complete: undefined })
  notes.note(mark(2 * MiB))
  notes.note(mark(3 * MiB))
  notes.note(mark(3 * MiB))
  await notes.save(MiB)
  t.equal(lines(part).length, 2)
  await notes.save(2 * MiB)
  t.same((await readNotes(part, owner))?.marks, [mark(MiB), mark(2 * MiB)])
  await notes.save(9 * MiB)
  await notes.complete(mark(4 * MiB))
  await notes.close()
  await notes.close()
  const marks = [mark(MiB), mark(2 * MiB), mark(3 * MiB)]
  t.same(await readNotes(part, owner), { isOurs: true, marks, complete: mark(4 * MiB) })
  t.equal(statSync(notesName(part)).mode & 0o777, 0o600)
  t.notMatch(readFileSync(notesName(part), 'utf8'), owner.secret, 'whoever reads them cannot continue')
})

t.test('notes are of one owner: another id, another secret and another version are not', async t => {
  const part = place(t)
  await (await openNotes(part, owner, [mark(1)])).close()
  t.same(await readNotes(part, { ...owner, id: '2'.repeat(32) }), none)
  t.same(await readNotes(part, { ...owner, secret: '2'.repeat(32) }), none)
  const text = readFileSync(notesName(part), 'utf8')
  for (const [what, changed] of [
    ['of another version', text.replace('"session":1', '"session":2')],
    ['with another secret', text.replace(/"secret":"\w+"/, '"secret":"12"')],
    ['with a secret that is no text', text.replace(/"secret":"\w+"/, '"secret":12')],
    ['whose first line is torn', text.slice(0, 40)],
    ['whose first line is not an object', `null\n${text}`],
    ['empty', ''],
  ] as const) {
    writeFileSync(notesName(part), changed)
    t.same(await readNotes(part, owner), none, what)
  }
})

t.test('a line that is not whole ends the notes; one that is no note is passed over', async t => {
  const part = place(t)
  await (await openNotes(part, owner, [mark(1), mark(2)])).close()
  const whole = readFileSync(notesName(part), 'utf8')
  truncateSync(notesName(part), whole.length - 10)
  t.same((await readNotes(part, owner))?.marks, [mark(1)])
  appendFileSync(notesName(part), `\n${JSON.stringify(mark(3))}\n`)
  t.same((await readNotes(part, owner))?.marks, [mark(1)], 'what follows a torn line was not noted in order')
  const odd = [
    'null',
    '7',
    '{"offset":-1,"sha256":"a"}',
    '{"offset":1.5,"sha256":"a"}',
    '{"offset":5}',
    '{"complete":null}',
  ]
  writeFileSync(notesName(part), `${whole}${odd.join('\n')}\n${JSON.stringify(mark(3))}\n`)
  t.same(await readNotes(part, owner), { isOurs: true, marks: [mark(1), mark(2), mark(3)], complete: undefined })
})

t.test('what cannot be notes belongs to somebody else: a link, a folder, a file of any size', async t => {
  const folder = t.testdir({ mine: {} })
  const at = (name: string) => join(folder, name)
  await (await openNotes(at('mine/f'), owner)).close()
  symlinkSync(notesName(at('mine/f')), notesName(at('link')))
  mkdirSync(notesName(at('folder')))
  await (await openNotes(at('huge'), owner)).close()
  truncateSync(notesName(at('huge')), 100 * MiB)
  writeFileSync(notesName(at('sent')), '')
  truncateSync(notesName(at('sent')), 8 * 1024 * MiB)
  const before = process.memoryUsage().rss
  for (const name of ['link', 'folder', 'huge', 'sent']) t.same(await readNotes(at(name), owner), none, name)
  t.ok(process.memoryUsage().rss - before < 50 * MiB)
})

t.test('the notes stay small, however many checks a sender sends; the last one before each save is there', async t => {
  const part = place(t)
  const notes = await openNotes(part, owner)
  for (let offset = 1; offset <= 200_000; offset++) notes.note(mark(offset))
  await notes.save(100_000)
  t.same(
    (await readNotes(part, owner))?.marks.map(({ offset }) => offset),
    [65536, 100_000],
  )
  await notes.save(200_000)
  t.same(
    (await readNotes(part, owner))?.marks.map(({ offset }) => offset),
    [65536, 100_000, 165_536, 200_000],
  )
  await notes.remove()
  await notes.remove()
  t.same(readdirSync(join(part, '..')), [])
})

t.test('notes are begun anew as a whole: a run that is killed meanwhile leaves the former ones', async t => {
  const part = place(t)
  await (await openNotes(part, owner, [mark(1)])).close()
  writeFileSync(`${notesName(part)}.new`, 'a file of another sender')
  await (await openNotes(part, owner, [mark(2)])).close()
  t.same((await readNotes(part, owner))?.marks, [mark(2)])
  t.same(
    readdirSync(join(part, '..')),
    ['f.part.session', 'f.part.session.new'],
    'what may be that of another one stays',
  )
  const folder = place(t)
  mkdirSync(notesName(folder))
  await t.rejects(openNotes(folder, owner), { code: 'EISDIR' })
  t.same(readdirSync(join(folder, '..')), ['f.part.session'], 'nothing is left of an attempt')
})
