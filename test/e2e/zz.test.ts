import { spawn, spawnSync } from 'node:child_process'
import t from 'tap'
t.test('x', async t => {
  t.teardown(() => { throw new Error('from teardown') })
  const s = performance.now()
  const r = spawnSync(process.execPath, ['-e', 'console.log(process.env.NODE_OPTIONS, process.execArgv, Object.keys(process.env).filter(x=>/TAP|NODE/.test(x)))'], {encoding:'utf8'})
  console.error(performance.now() - s, r.stdout, r.stderr)
  console.error(process.execArgv, Object.entries(process.env).filter(([x])=>/TAP|NODE/.test(x)))
  t.ok(1)
})
