import t from 'tap'
import { dial, run, serve } from './support.js'

t.test('TCP_PIPE_LOG_LEVEL is for every command; the line beats it', async t => {
  const quiet = { TCP_PIPE_LOG_LEVEL: 'warn' }
  const server = await serve(t, ['0', '--once', '--log-level', 'info'], { env: quiet })
  const { stderr } = await run(t, ['send', '--to', server.to], { env: quiet, input: 'x' })
  t.equal(stderr, '')
  await server.logged('connection closed')
})

t.test('TCP_PIPE_SERVE_IDLE_TIMEOUT is for serve', async t => {
  const server = await serve(t, ['0'], { env: { TCP_PIPE_SERVE_IDLE_TIMEOUT: '200ms' }, faults: ['for 200 ms'] })
  const socket = await dial(t, server.port)
  if (!socket.closed) await new Promise(resolve => socket.once('close', resolve))
  await server.logged('connection failed')
})

t.test('flags: 1 and true are on, 0, false and empty are not', async t => {
  for (const [text, on] of [
    ['1', true],
    ['true', true],
    ['0', false],
    ['false', false],
    ['', false],
  ] as const) {
    const server = await serve(t, ['0', '--once'], { env: { TCP_PIPE_SERVE_REPLY: text } })
    const { stdout } = await run(t, ['send', '--to', server.to], { input: 'x' })
    t.equal(String(stdout), on ? 'x' : '', `'${text}'`)
  }
})

t.test('a repeatable option on the line replaces that of the environment', async t => {
  const env = { TCP_PIPE_SERVE_TRANSFORM: 'hex plain=true', TCP_PIPE_SERVE_REPLY: '1' }
  for (const [args, answer] of [
    [[], '780a'],
    [['-t', 'grep x'], 'x'],
  ] as const) {
    const server = await serve(t, ['0', '--once', ...args], { env })
    const { stdout } = await run(t, ['send', '--to', server.to], { input: 'x\n' })
    t.equal(String(stdout).trim(), answer)
  }
})

t.test('--to from the environment', async t => {
  const server = await serve(t, ['0', '--once'])
  t.equal((await run(t, ['send'], { input: 'x', env: { TCP_PIPE_SEND_TO: server.to } })).code, 0)
})

t.test('a mistake names the variable: exit 2', async t => {
  for (const [name, text, says] of [
    ['TCP_PIPE_SERVE_REPLY', 'yes', "--reply: 'yes' is not allowed; expected 1, 0, true or false"],
    ['TCP_PIPE_LOG_LEVEL', 'loud', "--log-level: 'loud' is not allowed; expected trace, debug"],
    ['TCP_PIPE_SERVE_IDLE_TIMEOUT', 'soon', "--idle-timeout: 'soon' is not allowed; expected a duration"],
    ['TCP_PIPE_SERVE_TRANSFORM', 'hexx', "unknown transform 'hexx'"],
  ] as const) {
    const { code, stderr } = await run(t, ['serve', '0'], { env: { [name]: text }, faults: [says] })
    t.equal(code, 2, name)
    if (name !== 'TCP_PIPE_SERVE_TRANSFORM') t.match(stderr, `(environment variable ${name})`)
  }
})

t.test('-q logs errors only, -v more, silent nothing; --log-format text is for people', async t => {
  const quiet = await run(t, ['send', '--to', ':1', '-q'], { input: 'x', faults: ['ECONNREFUSED'] })
  t.equal(quiet.logs.length, 1)
  const silent = await run(t, ['send', '--to', ':1', '--log-level', 'silent'], { input: 'x' })
  t.equal(silent.code, 1)
  t.equal(silent.stderr, '')
  const server = await serve(t, ['0', '--once', '-v'])
  const text = await run(t, ['send', '--to', server.to, '--log-format', 'text'], { input: 'x', faults: null })
  t.match(text.stderr, /^\d\d:\d\d:\d\d . 127\.0\.0\.1:\d+ connected\n\d\d:\d\d:\d\d . 127\.0\.0\.1:\d+ sent 1 B in /)
  await server.logged('what each stage did')
})
