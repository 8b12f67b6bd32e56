import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { resumeKey } from '../../cli/resume-key.js'

const lines = () => {
  const said: unknown[][] = []
  return { said, log: { debug: (...words: unknown[]) => void said.push(words) } as never }
}

t.test('makes a key for this user alone, once', async t => {
  const home = t.testdir()
  const { said, log } = lines()
  const [key, other] = await Promise.all([resumeKey(log, { HOME: home }), resumeKey(log, { HOME: home })])
  const folder = join(home, '.local/state/tcp-pipe')
  t.match(key, /^[0-9a-f]{64}$/)
  t.equal(other, key, 'two at the same time agree')
  t.equal(await resumeKey(log, { HOME: home }), key)
  t.equal(readFileSync(join(folder, 'key')).toString('hex'), key)
  t.equal(statSync(join(folder, 'key')).mode & 0o777, 0o600)
  t.same(readdirSync(folder), ['key'])
  t.same(said, [])
})

t.test('XDG_STATE_HOME is the folder, unless it is relative', async t => {
  const dir = t.testdir()
  const { log } = lines()
  const key = await resumeKey(log, { XDG_STATE_HOME: join(dir, 'state'), HOME: dir })
  t.equal(readFileSync(join(dir, 'state/tcp-pipe/key')).toString('hex'), key)
  t.not(await resumeKey(log, { XDG_STATE_HOME: 'state', HOME: dir }), key)
})

t.test('without a place for it there is none, and the log says why', async t => {
  const home = t.testdir({ file: '' })
  const { said, log } = lines()
  t.equal(await resumeKey(log, {}), undefined)
  t.equal(await resumeKey(log, { HOME: join(home, 'file') }), undefined)
  mkdirSync(join(home, 'tcp-pipe'))
  writeFileSync(join(home, 'tcp-pipe/key'), 'short')
  t.equal(await resumeKey(log, { XDG_STATE_HOME: home }), undefined)
  t.match(said, [[/^no home folder/], [{ error: /ENOTDIR/ }], [{ error: 'it has 5 bytes, not 32' }, /^no key/]])
})

t.test('a key that is a link to nothing is none, and stays as it is', async t => {
  const home = t.testdir({ 'tcp-pipe': {} })
  const { said, log } = lines()
  symlinkSync('nothing', join(home, 'tcp-pipe/key'))
  t.equal(await resumeKey(log, { XDG_STATE_HOME: home }), undefined)
  t.match(said, [[{ error: /ENOENT/ }, /^no key/]])
  t.same(readdirSync(join(home, 'tcp-pipe')), ['key'])
})
