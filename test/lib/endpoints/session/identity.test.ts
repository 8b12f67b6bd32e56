import { appendFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { identityOf, newSecret } from '../../../../lib/endpoints/session/identity.js'

const dir = t.testdir({ a: 'abc', b: 'abc' })
const path = join(dir, 'a')

t.test('the same file, sent to the same place with the same key, is the same transfer', async t => {
  const first = await identityOf(path, 'h:1', 'n', 'key')
  t.match(first, { id: /^[0-9a-f]{32}$/, secret: /^[0-9a-f]{32}$/, size: 3 })
  t.not(first.id, first.secret)
  t.same(await identityOf(path, 'h:1', 'n', 'key'), first)
  const others = [
    await identityOf(path, 'h:2', 'n', 'key'),
    await identityOf(path, 'h:1', 'm', 'key'),
    await identityOf(path, 'h:1', undefined, 'key'),
    await identityOf(path, 'h:1', 'n', 'other'),
    await identityOf(join(dir, 'b'), 'h:1', 'n', 'key'),
  ]
  utimesSync(path, 1, 1)
  others.push(await identityOf(path, 'h:1', 'n', 'key'))
  appendFileSync(path, 'd')
  utimesSync(path, 1, 1)
  others.push(await identityOf(path, 'h:1', 'n', 'key'))
  for (const key of ['id', 'secret'] as const)
    t.equal(new Set([first, ...others].map(each => each[key])).size, others.length + 1, key)
})

t.test('the path may be relative', async t => {
  const { cwd } = process
  t.teardown(() => process.chdir(before))
  const before = cwd()
  process.chdir(dir)
  t.same(await identityOf('a', 'h:1', 'n', 'key'), await identityOf(path, 'h:1', 'n', 'key'))
})

t.test('without a key only its size is known', async t => {
  writeFileSync(join(dir, 'c'), 'hello')
  t.same(await identityOf(join(dir, 'c'), 'h:1'), { size: 5 })
})

t.test('what is no regular file has no identity, and what is missing fails', async t => {
  t.same(await identityOf(dir, 'h:1', 'n', 'key'), {})
  t.same(await identityOf('/dev/null', 'h:1', 'n', 'key'), {})
  await t.rejects(identityOf(join(dir, 'none'), 'h:1', 'n', 'key'), { code: 'ENOENT' })
})

t.test('a new secret is 128 random bits', async t => {
  const secrets = Array.from({ length: 100 }, newSecret)
  t.ok(secrets.every(secret => /^[0-9a-f]{32}$/.test(secret)))
  t.equal(new Set(secrets).size, 100)
})
