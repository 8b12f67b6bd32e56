import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { listensAt } from '../unix-sockets.js'
import {
  closed,
  dial,
  eventually,
  listen,
  missing,
  onTerminal,
  run,
  screen,
  serve,
  shell,
  shortDirectory,
} from './support.js'

const skip = missing('script')
/** The cursor stands at the start of the line: also what a narrower terminal has wrapped is erased. */
const erased = '\r\x1b[J'
const final = /^300\.00 KiB 0:00:0\d \[[\d.]+ [KM]iB\/s\]$/
/** What is drawn while it lasts: with a size, and without. */
const whole = /300\.00 KiB 0:00:0\d \[[\d.]+ [KM]iB\/s\] \[=+>] 100% ETA 0:00:00/
const unsized = /300\.00 KiB 0:00:0\d \[[\d.]+ [KM]iB\/s\](?! \[)/

t.test('progress on a terminal', { skip }, async t => {
  for (const [title, script, last] of [
    ['a file: bytes, time, rate, bar, percentage, ETA', 'tcp-pipe send big', whole],
    ['a file on stdin', 'tcp-pipe send < big', unsized],
    ['a pipe: no percentage', 'cat big | tcp-pipe send', unsized],
    ['a pipe with --size', 'cat big | tcp-pipe send --size 300k', whole],
    ['--progress and -q: progress, no log', 'tcp-pipe send big -q --progress', whole],
  ] as const) {
    t.test(title, async t => {
      const { text, lines, row, cursor } = await shownBy(t, script)
      t.match(text, last)
      t.match(lines.at(-1), script.includes('-q') ? final : /✓ .* sent 300.0 KiB/, 'one total, no ETA')
      t.equal(lines.filter(line => /KiB 0:|ETA/.test(line)).length, Number(script.includes('-q')), 'it is gone')
      t.equal(row, lines.length, 'the prompt comes below it')
      t.ok(cursor, 'the cursor is shown again')
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
    const { lines, cursor } = screen((await client.ended).stdout)
    t.ok(cursor)
    t.match(lines.at(-1), /✗ .* interrupted after sending|the peer sees a reset/)
    t.notMatch(lines.join('\n'), /ETA|B\/s\]/, 'one total')
  })

  t.test('a terminal without a movable cursor: only the last line, and only if the log has none', async t => {
    for (const [script, last] of [
      ['tcp-pipe send big', /✓ .* sent 300.0 KiB/],
      ['tcp-pipe send big -q --progress', final],
    ] as const) {
      const { text, lines } = await shownBy(t, script, { env: { TERM: 'dumb' } })
      t.notMatch(text, '\x1b', script)
      t.match(lines.at(-1), last)
      t.equal(lines.filter(line => /B\/s\]/.test(line)).length, Number(last === final))
    }
    const short = await shownBy(t, 'tcp-pipe send big -q --progress', { env: { TERM: 'dumb' }, time: 0 })
    t.equal(short.text, '')
  })
})

t.test('the width of the terminal: percentage and ETA stay', { skip }, async t => {
  for (const [columns, drawn, last] of [
    [80, whole, final],
    [50, /300\.00 KiB .*(\d|s\]) 100% ETA 0:00:00/, final],
    [30, /300\.00 KiB 100% ETA 0:00:00/, /^300\.00 KiB/],
    [20, /(?<! )100% ETA 0:00:00/, /^300\.00 KiB$/],
  ] as const) {
    const { text, lines } = await shownBy(t, 'tcp-pipe send big -q --progress', { columns })
    t.match(text, drawn, String(columns))
    t.match(lines.at(-1), last, String(columns))
    t.ok((lines.at(-1) as string).length < columns)
    t.equal(lines.length, 1)
  }
})

t.test('a transfer of less than a second shows none', { skip }, async t => {
  const { lines } = await shownBy(t, 'tcp-pipe send big', { time: 0 })
  t.notMatch(lines.join('\n'), /iB\/s\]|ETA/)
})

t.test('data on the same terminal is never cut or stuck to the line', { skip }, async t => {
  const target = await listen(t, socket => {
    socket.resume()
    const steps = ['first\n', 'second\nunfini', 'shed\nlast']
    const timer = setInterval(() => {
      socket.write(steps.shift() as string)
      if (steps.length > 0) return
      clearInterval(timer)
      socket.end()
    }, 1300)
  })
  const script = `(sleep 4; echo x) | tcp-pipe send -q --progress --to ${target.to}`
  const { stdout } = await onTerminal(t, script).ended
  const { lines, row, cursor } = screen(stdout)
  t.same(lines.slice(0, 4), ['first', 'second', 'unfinished', 'last'])
  t.match(lines[4], /^2 B 0:00:0\d \[/)
  t.equal(row, 5)
  t.ok(cursor)
})

t.test('pipe --rotate-size: all parts count', { skip }, async t => {
  const source = '(sleep 1.5; echo one; sleep 1.5; echo three; sleep 1.5; echo five)'
  const cwd = t.testdir()
  const { stdout } = await onTerminal(t, `${source} | tcp-pipe pipe - -o 'p{id}' --rotate-size 1 --progress -q`, {
    cwd,
  }).ended
  const shown = [...String(stdout).matchAll(/(\d+) B \d:/g)].map(([, bytes]) => Number(bytes))
  t.same(
    shown,
    [...shown].sort((a, b) => a - b),
  )
  t.equal(shown.at(-1), 15)
})

t.test('a dump on stderr stands above the line', { skip }, async t => {
  const target = await listen(t, socket => socket.resume().on('end', () => socket.end()))
  const args = `-q --progress -t 'dump brief=true color=never' --to ${target.to}`
  const client = onTerminal(t, `echo ready; cat | tcp-pipe send ${args}`)
  await client.printed('ready')
  client.child.stdin?.write('a\n')
  await client.printed('2 bytes')
  await client.printed('B/s]')
  client.child.stdin?.write('bc\n')
  await client.printed('3 bytes')
  client.child.stdin?.write('\x04')
  const [ready, ...lines] = screen((await client.ended).stdout).lines
  t.equal(ready, 'ready')
  t.equal(lines.length, 3)
  t.match(lines[0], /^→ .* 2 bytes · a\\n$/)
  t.match(lines[1], /^→ .* 3 bytes · bc\\n$/)
  t.match(lines[2], /^5 B 0:00:\d\d \[\d+ B\/s\]$/)
})

t.test('a resize redraws it', { skip }, async t => {
  const target = await listen(t, socket => socket.pause())
  const resize = '(read x < /dev/tty; stty cols 50 < /dev/tty)'
  const client = onTerminal(t, `${resize} & tcp-pipe send --size 1t /dev/zero --to ${target.to}`)
  await client.printed('ETA')
  client.child.stdin?.write('\n')
  await client.printed(erased)
  await eventually('a line after it', () => String(client.stdout()).split(erased)[1]?.includes('ETA') === true)
  client.child.stdin?.write('\x03')
  const [wide = '', ...narrow] = String((await client.ended).stdout).split(erased)
  t.match(wide, /\[> +\] 0% ETA/, 'with a bar')
  const lines = narrow
    .join('\r')
    .split('\r')
    .filter(line => line.includes('ETA'))
  t.ok(lines.length > 0)
  for (const line of lines) t.ok(line.replaceAll(/[^ -~]|\[\d?]*[GKhlJ]/g, '').length < 50, JSON.stringify(line))
})

t.test('serve', { skip }, async t => {
  for (const [title, args, drawn] of [
    ['--once: the size is unknown', '--once -o got', unsized],
    ['--once --from a file: the size is known', '--once --from big > got', whole],
    [
      '--from: the sizes of all clients',
      '--from big > got',
      /600\.00 KiB 0:00:0\d \[[\d.]+ [KM]iB\/s\] \[=+>] 100% ETA 0:00:00/,
    ],
    ['--once --from -', '--once --from - < big > got', unsized],
    ['--once to the terminal: none', '--once', undefined],
    ['--once --progress to the terminal', '--once --progress', /300\.00 KiB 0:/],
    ['--once --no-progress', '--once -o got2 --no-progress', undefined],
    ['--once -q --progress', '--once -o got3 --log-level warn --progress', unsized],
  ] as const) {
    t.test(title, async t => {
      const dir = shortDirectory(t)
      await shell(t, "head -c 307199 /dev/zero | tr '\\0' x > big; echo >> big", { cwd: dir })
      const path = join(dir, 's')
      const server = onTerminal(t, `tcp-pipe serve unix:${path} ${args}`, { cwd: dir })
      await eventually('a server that listens', () => listensAt(path))
      const clients = args.includes('--once') ? [1] : [1, 2]
      const data = args.includes('--from') ? '' : readFileSync(join(dir, 'big'))
      await Promise.all(clients.map(() => stay(t, path, data)))
      if (clients.length > 1) {
        await server.printed(/(✓[\s\S]*){2}\?25h/)
        server.child.stdin?.write('\x03')
      }
      const { stdout } = await server.ended
      const { lines, row, cursor } = screen(stdout)
      if (drawn) t.match(String(stdout), drawn)
      else t.notMatch(String(stdout), /KiB 0:|ETA/)
      const end = lines.findLast(line => !/SIGINT|^\^C/.test(line) && line !== '') ?? ''
      t.match(end, args.includes('warn') ? final : /✓ .* (received|sent) 300\.0 KiB/)
      t.equal(lines.filter(line => /KiB 0:|ETA/.test(line)).length, Number(args.includes('warn')))
      t.equal(row, lines.length - Number(lines.at(-1) === ''))
      t.ok(cursor)
    })
  }
})

t.test('none while a terminal is typed at, unless asked for', { skip }, async t => {
  for (const [args, columns, isShown] of [
    ['serve unix:s --once --from - > got', 100, false],
    ['nc -lvU s > got', 50, false],
    ['serve unix:s --once --from - --progress > got', 100, true],
  ] as const) {
    const dir = shortDirectory(t)
    const server = onTerminal(t, `tcp-pipe ${args}`, { cwd: dir, columns })
    await server.printed('listening')
    await stay(t, join(dir, 's'), 'x'.repeat(1000), () => server.child.stdin?.write('typed\n\x04'))
    const { code, stdout } = await server.ended
    t.equal(code, 0, args)
    t.equal(/iB\/s|B\/s/.test(String(stdout)), isShown, args)
  }
  const target = await listen(t, socket => socket.resume().on('end', () => setTimeout(() => socket.end(), 1300)))
  const client = onTerminal(t, `tcp-pipe send README.md - --to ${target.to}`)
  await client.printed('connected')
  client.child.stdin?.write('typed\n\x04')
  const { code, stdout } = await client.ended
  t.equal(code, 0)
  t.notMatch(String(stdout), 'B/s]', 'a file, and then what is typed')
})

/** A client that sends, reads what comes, and ends after more than a second. */
async function stay(t: Test, path: string, data: string | Buffer, leave: () => unknown = () => {}): Promise<void> {
  const socket = await dial(t, { path })
  socket.resume().write(data)
  setTimeout(() => {
    leave()
    socket.end()
  }, 1500)
  await closed(socket)
}

t.test('never when stderr is not a terminal', async t => {
  const server = await serve(t, ['0'], { stdio: ['ignore', 'ignore', 'pipe'] })
  const { stderr } = await run(t, ['send', 'README.md', '--progress', '-q', '--to', server.to])
  t.equal(stderr, '')
})

/** What a terminal shows of a transfer that lasts longer than this many milliseconds. */
async function shownBy(t: Test, script: string, { time = 1300, columns = 100, env = {} } = {}) {
  const dir = t.testdir()
  await shell(t, 'head -c 307200 /dev/zero > big', { cwd: dir })
  const target = await listen(t, socket => socket.resume().on('end', () => setTimeout(() => socket.end(), time)))
  const at = script.replace('tcp-pipe send', `tcp-pipe send --to ${target.to}`)
  const { code, stdout } = await onTerminal(t, at, { cwd: dir, columns, env }).ended
  t.equal(code, 0)
  return { text: String(stdout), ...screen(stdout) }
}
