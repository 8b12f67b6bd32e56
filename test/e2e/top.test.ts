/** `top`: on a terminal, as text, and as JSON. */
import { readFileSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import {
  cli,
  closed,
  dial,
  eventually,
  listen,
  missing,
  onTerminal,
  type Process,
  run,
  type ServerProcess,
  screen,
  serve,
  shell,
  shortDirectory,
  type TerminalOptions,
  tcpPipe,
} from './support.js'

const skip = missing('script')

interface Watched {
  server: ServerProcess
  env: Record<string, string>
}

async function watched(t: Test, args: readonly string[], faults: readonly string[] | null = []): Promise<Watched> {
  const env = { XDG_RUNTIME_DIR: shortDirectory(t) }
  return { server: await serve(t, ['0', '--control', ...args], { env, faults }), env }
}

/** `top` on a terminal; `shows` resolves with the lines when they match. */
function topOf(t: Test, { env }: Watched, words = '--interval 200ms', options: TerminalOptions = {}) {
  const top = onTerminal(t, `tcp-pipe top ${words}; echo "code $?"`, { ...options, env: { ...env, ...options.env } })
  return { top, press: (keys: string) => void top.child.stdin?.write(keys), shows: shows.bind(undefined, top) }
}

async function shows(top: Process, what: RegExp): Promise<string[]> {
  const lines = () => screen(whole(top.stdout())).lines
  await eventually(`${what} on the screen`, () => what.test(lines().join('\n')), 15_000).catch(error => {
    throw new Error(`${error.message}\n${lines().join('\n')}`)
  })
  return lines()
}

/** Without a sequence that has not come whole. */
function whole(output: Buffer): Buffer {
  const text = String(output)
  const last = text.lastIndexOf('\x1b')
  return Buffer.from(/^.(\[[?\d;]*)?$/s.test(text.slice(last)) ? text.slice(0, last) : text)
}

/** A connection that sends all the time. */
async function sender(t: Test, port: number) {
  const socket = await dial(t, port)
  const chunk = Buffer.alloc(16_384, 'x')
  const more = () => {
    while (!socket.destroyed && socket.write(chunk));
  }
  socket.on('drain', more)
  more()
  return socket
}

/** A control socket of the test's own, which gives these results, the last one again and again. Null: no answer. */
async function answering(t: Test, ...results: (object | null)[]): Promise<string> {
  const path = join(shortDirectory(t), 'control')
  const answer = (socket: Socket, line: string) => {
    const result = results.length > 1 ? results.shift() : results[0]
    if (result) socket.write(`${JSON.stringify({ id: JSON.parse(line).id, result })}\n`)
  }
  const take = (socket: Socket) =>
    socket.on('data', data => {
      for (const line of String(data).trim().split('\n')) answer(socket, line)
    })
  await listen(t, take, { path })
  return path
}

/** The figures of a server without connections. */
const nobody = {
  ...{ name: 'serve', pid: 1, address: 'x:1', command: 'tcp-pipe serve', age: 1, accepted: 1, failed: 0 },
  ...{ refused: {}, bytesIn: 1, bytesOut: 1, connections: [] },
}

t.test('connections with their figures, and a slow stage with its bar', { skip }, async t => {
  const it = await watched(t, ['-t', 'throttle rate=64k', '-o', '/dev/null'], null)
  const { shows, press, top } = topOf(t, it)
  await shows(/no connection is open/)
  const idle = await dial(t, it.server.port)
  const busy = await sender(t, it.server.port)
  const address = (socket: typeof idle) => `127.0.0.1:${socket.localPort}`
  const lines = await shows(/\d KiB\/s(.|\n)*throttle .*█{20}/)
  t.match(lines[0], `${it.server.to}  tcp-pipe serve 0 --control -t`)
  t.match(lines[1], /^pid \d+ · up \d+s · 2 open · 2 accepted · 0 failed · 0 refused · in [\d.]+ KiB\/s/)
  const rows = lines.filter(line => /^..\s*\d+ 127/.test(line))
  t.match(rows[0], new RegExp(`^> .* ${address(busy)} `))
  t.match(rows[1], new RegExp(`^  .* ${address(idle)} .* 0 B/s$`))
  t.match(lines.join('\n'), `forward: ${address(busy)} → throttle → file`)
  t.match(lines.join('\n'), /█ busy/)
  t.match(lines.join('\n'), /slowest: throttle \(busy \d+ %\)/)
  press('q')
  t.match(String((await top.ended).stdout), /code 0/)
})

t.test('q and Ctrl-C restore the terminal, and so do signals', { skip }, async t => {
  const it = await watched(t, ['--reply'])
  for (const [end, code] of [
    ['q', 0],
    ['\x03', 0],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    const dir = t.testdir()
    const start = `'${process.execPath}' '${cli}' top < /dev/tty & echo $! > pid; wait $!; code=$?`
    const script = `stty -a > before; echo first; ${start}; stty -a > after; cmp before after && echo "code $code"`
    const top = onTerminal(t, script, { env: it.env, cwd: dir })
    await eventually('a frame', () => screen(whole(top.stdout())).lines.some(line => /no connection/.test(line)))
    t.match(screen(whole(top.stdout())), { alternate: true, cursor: false })
    if (end.startsWith('SIG')) process.kill(Number(readFileSync(join(dir, 'pid'), 'utf8')), end as NodeJS.Signals)
    else top.child.stdin?.write(end)
    const { stdout } = await top.ended
    const { lines, ...state } = screen(stdout)
    t.match(state, { alternate: false, cursor: true })
    t.same([lines[0], lines.filter(Boolean).at(-1)], ['first', `code ${code}`], JSON.stringify(end))
  }
})

t.test('arrows select, Enter opens, k asks and closes, r resets', { skip }, async t => {
  const it = await watched(t, ['--reply'], null)
  const sockets = []
  for (const byte of ['a', 'b', 'c']) {
    const socket = await dial(t, it.server.port)
    socket.write(byte)
    await new Promise(resolve => socket.once('data', resolve))
    sockets.push(socket)
  }
  const [first, second, third] = sockets as [(typeof sockets)[0], (typeof sockets)[0], (typeof sockets)[0]]
  const { shows, press } = topOf(t, it)
  await shows(/> +1 127/)
  press('\x1b[B')
  await shows(/> +2 127/)
  press('\r')
  const opened = await shows(/Left: back/)
  t.equal(opened.filter(line => /^..\s+\d+ 127/.test(line)).length, 1)
  t.match(opened.join('\n'), `forward: 127.0.0.1:${second.localPort} → client`)
  press('\x1b[D')
  await shows(/Enter opens/)
  press('k')
  await shows(/close connection 2\? y\/n/)
  press('n')
  await shows(/close: not done/)
  press('ky')
  second.end()
  await closed(second.resume())
  t.notOk(second.failed)
  await shows(/2 open/)
  press('\x1b[F')
  await shows(/> +3 127/)
  press('r')
  await shows(/reset connection 3\? y\/n/)
  press('y')
  await closed(third.resume())
  t.match(third.failed, { code: 'ECONNRESET' })
  await shows(/1 open · 3 accepted · 1 failed/)
  t.notOk(first.destroyed)
  press('q')
})

t.test('50 columns and ASCII: columns are dropped, and nothing wraps', { skip }, async t => {
  const it = await watched(t, ['-t', 'throttle rate=64k', '-o', '/dev/null'], null)
  await sender(t, it.server.port)
  const { shows } = topOf(t, it, '--interval 200ms', { columns: 50, env: { LC_ALL: 'C' } })
  const lines = await shows(/throttle .*#{8}/)
  for (const line of lines) t.ok(line.length <= 50, line)
  const shown = lines.join('\n')
  t.notMatch(shown, /[^\x20-\x7e\n]/)
  t.match(shown, /# remote +in\/s +out\/s/)
})

t.test('a resize draws it anew', { skip }, async t => {
  const it = await watched(t, ['--reply'])
  const dir = t.testdir()
  const resize = '(until [ -e go ]; do sleep 0.05; done; stty cols 50 rows 12 < /dev/tty) &'
  const top = onTerminal(t, `${resize} tcp-pipe top --interval 1h`, { env: it.env, cwd: dir })
  await shows(top, /0 open · 0 accepted · 0 failed · 0 refused · in 0 B\/s/)
  writeFileSync(join(dir, 'go'), '')
  const lines = await shows(top, /0 failed\n0 refused/)
  for (const line of lines) t.ok(line.length <= 50, line)
  top.child.stdin?.write('q')
  await top.ended
})

t.test('hostile names are escaped', { skip }, async t => {
  const evil = '\x1b]0;title\x07\u202e\u009b2J'
  const stage = { name: evil, recordsIn: 1, recordsOut: 1, busy: 1, waitingForInput: 1, waitingForOutput: 1 }
  const runs = [{ bytesIn: 1, bytesOut: 1, stages: [stage], over: false, stopped: false }]
  const directions = [{ direction: 'forward', bytesIn: 1, bytesOut: 1, segments: [{ name: evil, runs }] }]
  const connections = [{ id: evil, number: 1, remote: evil, age: 1, bytesIn: 1, bytesOut: 1, directions }]
  const path = await answering(t, { ...nobody, name: evil, address: evil, command: evil, connections })
  const { shows, press, top } = topOf(t, { env: {} } as Watched, path)
  const lines = await shows(/\\e\]0;title\\x07\\u202e/)
  t.match(lines[0], '\\e]0;title\\x07\\u202e\\x9b2J')
  press('q')
  t.notMatch(String((await top.ended).stdout), '\x1b]0;')
  for (const words of [['--once'], ['--json', '--once']]) {
    const { stdout, code } = await run(t, ['top', path, '--interval', '100ms', ...words])
    t.equal(code, 0)
    for (const control of ['\x1b', '\u009b', '\u202e']) t.notMatch(String(stdout), control)
  }
})

t.test('when the server ends, it says so and exits with 0', { skip }, async t => {
  const it = await watched(t, ['--reply'])
  const { shows, top } = topOf(t, it)
  const json = tcpPipe(t, ['top', '--json'], { env: it.env, faults: ['has ended'] })
  await json.printed('"connections"')
  await shows(/no connection is open/)
  it.server.kill('SIGTERM')
  const shown = screen((await top.ended).stdout)
  t.match(shown, { alternate: false, cursor: true })
  t.match(shown.lines.join('\n'), `tcp-pipe: serve ${it.server.to} has ended\ncode 0`)
  t.equal((await json.ended).code, 0)
})

t.test('a failure of its own restores the terminal, too', { skip }, async t => {
  const path = await answering(t, nobody, nobody, { ...nobody, connections: [null] })
  const { top, shows } = topOf(t, { env: {} } as Watched, `${path} --interval 300ms`)
  await shows(/code 1/)
  const { stdout } = await top.ended
  t.match(String(stdout), /no connection is open/)
  const shown = screen(stdout)
  t.match(shown, { alternate: false, cursor: true })
  t.match(shown.lines[0], /^tcp-pipe: /)
})

t.test('a server that does not answer any more: the screen says so', { skip }, async t => {
  const path = await answering(t, nobody, nobody, null)
  const { shows, press, top } = topOf(t, { env: {} } as Watched, `${path} --interval 200ms`)
  await shows(/no answer for [\d.]+(ms|s)/)
  press('q')
  t.match(String((await top.ended).stdout), 'code 0')
})

t.test('without a terminal: a server that does not answer any more is a failure', async t => {
  for (const words of [['--once'], ['--json']]) {
    const path = await answering(t, nobody, null)
    const faults = ['is not the control socket of a server: no answer in 5 s']
    t.equal((await run(t, ['top', path, ...words], { faults })).code, 1)
  }
})

t.test('--once: a server that ends before the second snapshot is shown as it was', async t => {
  for (const answers of [1, 2]) {
    const path = join(shortDirectory(t), 'control')
    let count = 0
    const take = (socket: Socket) =>
      socket.on('data', data => {
        if (++count > answers) return socket.destroy()
        return socket.write(`${JSON.stringify({ id: JSON.parse(String(data)).id, result: nobody })}\n`)
      })
    await listen(t, take, { path })
    const words = ['top', path, '--once', '--interval', '100ms']
    const { stdout, code } = await run(t, words, { faults: ['serve x:1 has ended'] })
    t.equal(code, 0)
    t.match(String(stdout), /0 open . 1 accepted/)
  }
})

t.test('without a terminal: a frame as text, or a line of JSON per interval', async t => {
  const it = await watched(t, ['-t', 'throttle rate=64k', '-o', '/dev/null'], null)
  await sender(t, it.server.port)
  const once = await run(t, ['top', '--once', '--interval', '500ms'], { env: { ...it.env, LC_ALL: 'C.UTF-8' } })
  t.equal(once.code, 0)
  t.match(
    String(once.stdout),
    /1 open · 1 accepted(.|\n)*forward: 127.* → throttle → file\n(.|\n)*slowest: throttle (.|\n)*█ busy/,
  )
  t.notMatch(String(once.stdout), '\x1b')
  const json = tcpPipe(t, ['top', '--json', '--interval', '100ms'], { env: it.env })
  await json.printed(/(.*"connections".*\n){3}/)
  const [first] = String(json.stdout()).split('\n')
  t.match(JSON.parse(first as string), { name: 'serve', pid: it.server.pid, accepted: 1, connections: [{ number: 1 }] })
  json.kill('SIGTERM')
  t.equal((await json.ended).signal, 'SIGTERM')
  const { stdout } = await run(t, ['top', '--json', '--once'], { env: it.env })
  t.equal(String(stdout).match(/\n/g)?.length, 1)
  const piped = await shell(t, 'tcp-pipe top --json --interval 100ms | head -n 1; echo $PIPESTATUS', {
    env: it.env,
  })
  t.match(String(piped.stdout), /\}\n141\n$/)
})

t.test('which server', async t => {
  const env = { XDG_RUNTIME_DIR: shortDirectory(t) }
  const none = await run(t, ['top', '--once'], { env, faults: ['no server has a control socket; start one with'] })
  t.equal(none.code, 1)
  const dead = await serve(t, ['0', '--control'], { env })
  dead.kill('SIGKILL')
  await dead.ended
  t.equal((await run(t, ['top', '--once'], { env, faults: ['no server has a control socket'] })).code, 1)
  const first = await serve(t, ['0', '--control'], { env })
  t.equal((await run(t, ['top', '--once', '--json'], { env })).code, 0)
  const second = await serve(t, ['0', '--control'], { env })
  const several = await run(t, ['top', '--once'], { env, faults: null })
  t.equal(several.code, 2)
  for (const { pid, to } of [first, second])
    t.match(several.stderr, `tcp-pipe top ${env.XDG_RUNTIME_DIR}/tcp-pipe/${pid}.sock   serve ${to}, pid ${pid}\n`)
  t.match(several.stderr, 'tcp-pipe: 2 servers have a control socket; expected the address of one\n')
  const path = `unix:${env.XDG_RUNTIME_DIR}/tcp-pipe/${first.pid}.sock`
  t.match(JSON.parse(String((await run(t, ['top', path, '--once', '--json'], { env })).stdout)), { pid: first.pid })
})

t.test('what is no control socket', async t => {
  const path = join(shortDirectory(t), 'socket')
  const echo = await serve(t, [`unix:${path}`, '--reply'])
  const is = 'is not the control socket of a server'
  t.equal(
    (await run(t, ['top', path, '--once'], { faults: [`unix:${path} ${is}: its answer has no figures`] })).code,
    1,
  )
  for (const wrong of [{ refused: undefined }, { age: '1' }, { connections: [null] }, { command: 7 }]) {
    const faults = [`${is}: its answer has no figures`]
    const other = await answering(t, { ...nobody, ...wrong })
    t.equal((await run(t, ['top', other, '--once'], { faults })).code, 1)
  }
  echo.kill('SIGTERM')
  await echo.ended
  await listen(t, socket => socket.end('what?\nnull\n'), { path })
  t.equal((await run(t, ['top', path, '--once'], { faults: [`${is}: it has closed the connection`] })).code, 1)
  t.equal((await run(t, ['top', '/missing', '--once'], { faults: ['ENOENT'] })).code, 1)
})

t.test('usage errors', async t => {
  for (const [words, message] of [
    [[], 'stdout is not a terminal; use --once for a frame as text, or --json'],
    [['--interval', '1ms', '--once'], "--interval: '1ms' is not allowed; expected a time from 100ms to"],
    [['--interval', 'x', '--once'], "--interval: 'x' is not allowed; expected a duration"],
    [[':4000', '--once'], "':4000' is not allowed; expected unix:path or a path"],
    [['a', 'b'], 'too many arguments'],
  ] as const)
    t.equal((await run(t, ['top', ...words], { faults: [message] })).code, 2, message)
})
