import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, readdirSync, statSync } from 'node:fs'
import * as module from 'node:module'
import { join } from 'node:path'
import t from 'tap'
import { cli } from '../project/support.js'

const skip = 'enableCompileCache' in module ? false : 'this Node.js has no compile cache'

/** What is in the folder of the cache after a run in this environment. */
function cached(folder: string, env: Record<string, string>): string[] {
  const { status } = spawnSync(process.execPath, [cli, 'send', '--help'], { env })
  t.equal(status, 0)
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
}

t.test('compiled code is kept in ~/.cache/tcp-pipe, or in $XDG_CACHE_HOME, for the user alone', { skip }, async t => {
  const home = t.testdir({ cache: {} })
  t.ok(cached(home, { HOME: home }).some(path => path.startsWith('.cache/tcp-pipe/')))
  t.equal(statSync(join(home, '.cache/tcp-pipe')).mode & 0o777, 0o700)
  t.ok(cached(join(home, 'cache'), { HOME: home, XDG_CACHE_HOME: join(home, 'cache') }).length > 1)
})

t.test('without a folder that belongs to the user, the program runs without a cache', async t => {
  const home = t.testdir({})
  t.same(cached(home, { HOME: '' }), [])
  t.same(cached(home, { HOME: '/proc/self' }), [])
  t.same(cached(home, { HOME: join(home, 'none') }), [])
  chmodSync(home, 0o500)
  if (process.getuid?.() !== 0) t.same(cached(home, { HOME: home }), [])
  chmodSync(home, 0o700)
})

t.test(
  'under sudo, nothing is written to the home of another user',
  { skip: process.getuid?.() !== 0 && 'only root can give a folder to another user' },
  async t => {
    const home = t.testdir({})
    chownSync(home, 65534, 65534)
    t.same(cached(home, { HOME: home }), [])
  },
)

t.test('a folder that others may write to, or a link in its place, is not used', async t => {
  const home = t.testdir({
    '.cache': { 'tcp-pipe': {} },
    other: {},
    linked: { 'tcp-pipe': t.fixture('symlink', '../other') },
  })
  chmodSync(join(home, '.cache/tcp-pipe'), 0o777)
  t.same(cached(join(home, '.cache/tcp-pipe'), { HOME: home }), [])
  t.same(cached(join(home, 'other'), { HOME: home, XDG_CACHE_HOME: join(home, 'linked') }), [])
  chmodSync(join(home, 'other'), 0o777)
  t.same(cached(join(home, 'other'), { HOME: home, XDG_CACHE_HOME: join(home, 'other') }), [])
})

t.test('NODE_DISABLE_COMPILE_CACHE turns it off', async t => {
  const home = t.testdir({})
  const found = cached(home, { HOME: home, NODE_DISABLE_COMPILE_CACHE: '1' })
  t.same(
    found.filter(path => !['.cache', '.cache/tcp-pipe'].includes(path)),
    [],
  )
})
