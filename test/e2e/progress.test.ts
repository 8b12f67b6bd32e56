import t, { type Test } from 'tap'
import { listen, missing, onTerminal, run, screen, serve, shell } from './support.js'

const skip = missing('script')
const whole = /^300\.00 KiB 0:00:0\d \[[\d.]+ [KM]iB\/s\] \[=+>] 100% ETA 0:00:00$/
const unsized = /^300\.00 KiB 0:00:0\d \[[\d.]+ [KM]iB\/s\]$/

t.test('progress on a terminal', { skip }, async t => {
  for (const [title, script, last] of [
    ['a file: bytes, time, rate, bar, percentage, ETA', 'tcp-pipe send big', whole],
    ['a file on stdin', 'tcp-pipe send < big', /^300\.00 KiB 0:00:0\d \[/],
    ['a pipe: no percentage', 'cat big | tcp-pipe send', unsized],
    ['a pipe with --size', 'cat big | tcp-pipe send --size 300k', whole],
    ['--progress and -q: progress, no log', 'tcp-pipe send big -q --progress', whole],
  ] as const) {
    t.test(title, async t => {
      const { lines, row, cursor } = await shownBy(t, script)
      t.match(lines.at(-1), last)
      t.equal(lines.filter(line => line.startsWith('300.00 KiB 0:')).length, 1, 'it is one line')
      t.equal(row, lines.length, 'the prompt comes below it')
      t.ok(cursor, 'the cursor is shown again')
      if (!script.includes('-q'))
        t.match(lines.slice(0, 2).join('\n'), /✓ .* sent 300.0 KiB/, 'the log lines stand above it')
    })
  }

  for (const [title, script] of [
    ['--no-progress', 'tcp-pipe send big --no-progress'],
    ['-q', 'tcp-pipe send big -q'],
    ['the environment', 'TCP_PIPE_SEND_PROGRESS=0 tcp-pipe send big'],
  ] as const) {
    t.test(`none with ${title}`, async t => {
      t.notMatch((await shownBy(t, script)).lines.join('\n'), /KiB 0:/)
    })
  }

  t.test('Ctrl-C: the cursor is shown again', async t => {
    const target = await listen(t, socket => socket.pause())
    const client = onTerminal(t, `tcp-pipe send /dev/zero --to ${target.to}`)
    await client.printed('MiB')
    client.child.stdin?.write('\x03')
    const { stdout } = await client.ended
    t.ok(screen(stdout).cursor)
  })
})

t.test('never when stderr is not a terminal', async t => {
  const server = await serve(t, ['0'], { stdio: ['ignore', 'ignore', 'pipe'] })
  const { stderr } = await run(t, ['send', 'README.md', '--progress', '-q', '--to', server.to])
  t.equal(stderr, '')
})

async function shownBy(t: Test, script: string) {
  const dir = t.testdir()
  await shell(t, 'head -c 307200 /dev/zero > big', { cwd: dir })
  const target = await listen(t, socket => socket.resume().on('end', () => socket.end()))
  const at = script.replace('tcp-pipe send', `tcp-pipe send --to ${target.to}`)
  const { code, stdout } = await onTerminal(t, at, { cwd: dir }).ended
  t.equal(code, 0)
  return screen(stdout)
}
