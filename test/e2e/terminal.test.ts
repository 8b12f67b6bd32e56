import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { dial, eventually, exchange, listen, missing, onTerminal, run, serve } from './support.js'

const skip = missing('script')

/** A title, a cleared screen, C1, an override of the text direction, and bytes that are no UTF-8. */
const nasty = Buffer.concat([
  Buffer.from('\x1b]0;title\x07\x1b[2Ja\tb\x08\r\n\u009b31m\u202e'),
  Buffer.of(0xff, 0x9b, 0x0a),
])
const shown = '\\e]0;title\\x07\\e[2Ja\tb\\x08\\r\n\\x9b31m\\u202e\ufffd\ufffd\n'

t.test('serve on a terminal shows control characters escaped (C-10)', { skip }, async t => {
  t.equal(await served(t, ''), shown)
})

t.test('serve --raw gives them as they are (C-10)', { skip }, async t => {
  t.equal(await served(t, '--raw'), nasty.toString())
})

t.test('serve on a terminal, behind stages that make lines or strings', { skip }, async t => {
  for (const option of ["-t 'grep .'", '-t buffer-to-string', '--label']) {
    const output = await served(t, option)
    t.match(output, '\\e[2Ja\tb\\x08', option)
    t.notOk(output.includes('\x1b'), option)
  }
})

t.test('serve to a pipe gives the exact bytes (C-10)', async t => {
  const server = await serve(t, ['0', '--once'])
  await exchange(t, server.port, nasty)
  t.ok((await server.ended).stdout.equals(nasty))
})

t.test('to a file the bytes are exact, although there is a terminal (C-10)', { skip }, async t => {
  const dir = t.testdir()
  const server = onTerminal(t, "tcp-pipe serve 0 --once > out 2> log; echo 'done'", { cwd: dir })
  await eventually('the port', () => readSafely(join(dir, 'log')).includes('listening'))
  await exchange(t, JSON.parse(readFileSync(join(dir, 'log'), 'utf8')).port, nasty)
  await server.printed('done')
  t.ok(readFileSync(join(dir, 'out')).equals(nasty))
})

t.test('the reply that send prints: escaped on a terminal, unless --raw (C-10)', { skip }, async t => {
  const target = await listen(t, socket => socket.end(nasty))
  for (const [option, expected] of [
    ['', shown],
    ['--raw', nasty.toString()],
  ] as const) {
    const client = onTerminal(t, `tcp-pipe send -q ${option} --to ${target.to} < /dev/null`)
    const { code, stdout } = await client.ended
    t.equal(code, 0)
    t.equal(String(stdout).replaceAll('\r\n', '\n'), expected, option || 'escaped')
  }
  const { stdout } = await run(t, ['send', '--to', target.to])
  t.ok(stdout.equals(nasty), 'to a pipe the exact bytes')
})

t.test('a character that comes in two parts is one', { skip }, async t => {
  const target = await listen(t, async socket => {
    socket.write(Buffer.of(0xe2, 0x82))
    setTimeout(() => socket.end(Buffer.of(0xac)), 100)
  })
  const { stdout } = await onTerminal(t, `tcp-pipe send -q --to ${target.to} < /dev/null`).ended
  t.equal(String(stdout), '€')
})

t.test('a peer that ends first ends a send that waits for somebody to type', { skip }, async t => {
  const target = await listen(t, socket => socket.end('bye\n'))
  const { code, stdout } = await onTerminal(t, `tcp-pipe send -q --to ${target.to}`).ended
  t.equal(code, 0)
  t.match(String(stdout), 'bye')
})

t.test('what is typed is sent line by line, and Ctrl-D ends it', { skip }, async t => {
  const target = await listen(t, socket => void socket.pipe(socket))
  const client = onTerminal(t, `tcp-pipe send -q --to ${target.to}`)
  client.child.stdin?.write('first\n')
  await client.printed('first')
  client.child.stdin?.write('second\n')
  await client.printed('second')
  client.child.stdin?.write('\x04')
  t.equal((await client.ended).code, 0)
})

t.test('bytes of a peer in a log line are escaped (C-11, C-12)', { skip }, async t => {
  const server = await serve(t, ['0', '--once', '-t', 'unhex'], { faults: ['unhex'] })
  const socket = await dial(t, server.port)
  socket.end('\x1b[2J\u202e\n{"level":60,"msg":"fake"}')
  const { logs, stderr } = await server.ended
  for (const control of ['\x1b', '\u202e']) t.notOk(stderr.includes(control))
  t.notOk(logs.some(({ level }) => level === 60))
})

/** What a terminal gets when `serve` receives the nasty bytes. */
async function served(t: Test, option: string): Promise<string> {
  const log = join(t.testdir(), 'log')
  const server = onTerminal(t, `tcp-pipe serve 0 --once ${option} 2> '${log}'`)
  await eventually('the port', () => readSafely(log).includes('listening'))
  await exchange(t, JSON.parse(readFileSync(log, 'utf8')).port, nasty)
  const { code, stdout } = await server.ended
  t.equal(code, 0)
  // The terminal puts a CR before each LF.
  return String(stdout).replaceAll('\r\n', '\n')
}

function readSafely(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
