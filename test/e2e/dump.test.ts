import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { exchange, listen, missing, onTerminal, proxy } from './support.js'

const skip = missing('script')
const request = 'GET /a/path/of/some/length HTTP/1.1\r\nHost: example.org\r\n\r\n'
// biome-ignore lint/suspicious/noControlCharactersInRegex: colors
const colors = /\x1b\[\d*m/g

t.test('on a terminal the dump fits its width', { skip }, async t => {
  for (const [columns, rows, first] of [
    [200, 4, /^00000000 {2}47 45 54 20 2f 61 2f 70 {2}61 74 68 2f 6f 66 2f 73 {2}\|GET \/a\/path\/of\/s\|$/],
    [80, 4, /^00000000 {2}47 45 54 20 2f 61 2f 70 {2}61 74 68 2f 6f 66 2f 73 {2}\|GET \/a\/path\/of\/s\|$/],
    [50, 8, /^00000000 {2}47 45 54 20 2f 61 2f 70 {2}\|GET \/a\/p\|$/],
  ] as const) {
    const lines = await shownBy(t, 'dump', columns)
    t.match(lines[0], /^→ :?\w+ .*\+0\.0 ms 58 bytes · HTTP GET \/a\/p/, 'the heading')
    t.match(lines[1], first)
    t.equal(lines.filter(line => line.startsWith('000000')).length, rows, `rows at ${columns}`)
    t.ok(Math.max(...lines.map(line => line.length)) <= columns, `no line is wider than ${columns}`)
  }
})

t.test('text and one line on a terminal', { skip }, async t => {
  for (const columns of [80, 50]) {
    const text = await shownBy(t, 'dump text=true', columns)
    t.same(text.slice(1), ['  GET /a/path/of/some/length HTTP/1.1\\r\\n', '  Host: example.org\\r\\n', '  \\r\\n'])
    const brief = await shownBy(t, 'dump brief=true', columns)
    t.equal(brief.length, 1)
    t.equal(brief[0]?.length, columns)
    t.match(brief[0], /^→ :\d+ \+0\.0 ms 58 bytes · HTTP GET \/.*…$/)
  }
})

t.test('colors: on a terminal that has them, unless NO_COLOR is set, and never in a file', { skip }, async t => {
  for (const [env, expected] of [
    [{ TERM: 'xterm-256color' }, true],
    [{ TERM: 'xterm-256color', NO_COLOR: '1' }, false],
    [{ TERM: 'dumb' }, false],
  ] as const)
    t.equal(colors.test(await output(t, 'dump', 80, { COLORTERM: '', ...env })), expected, JSON.stringify(env))
  const file = join(t.testdir(), 'dump')
  await output(t, `dump file=${file}`, 50, { TERM: 'xterm-256color' })
  t.match(
    readFileSync(file, 'utf8'),
    /^→ \w+ 127\.0\.0\.1:\d+ \+0\.0 ms 58 bytes · HTTP GET \/a\/path\/of\/some\/length\n0{8} {2}47 .*s\|\n/,
  )
})

t.test('proxy --both: a reply shows the time since its request', async t => {
  const target = await listen(t, socket =>
    socket.once('data', () => setTimeout(() => socket.end('HTTP/1.1 200 OK\r\n\r\n'), 300)),
  )
  const tool = await proxy(t, ['0', target.to, '--both', 'dump brief=true', '--once'], { faults: null })
  await exchange(t, tool.port, request)
  const { stderr } = await tool.ended
  t.match(stderr, /^→ \w+ \+0\.0 ms 58 bytes · HTTP GET /m)
  const [, time] = /^← \w+ \+([\d.]+) m?s 19 bytes · HTTP 200 OK /m.exec(stderr) ?? []
  t.ok(Number(time) >= 299 || Number(time) < 20, `${time} ms, or seconds on a busy machine`)
})

async function shownBy(t: Test, spec: string, columns: number): Promise<string[]> {
  return (await output(t, spec, columns)).replaceAll(colors, '').trimEnd().split('\r\n')
}

/** What a terminal gets from a transfer of the request, without what tcp-pipe logs. */
async function output(t: Test, spec: string, columns: number, env: Record<string, string> = {}): Promise<string> {
  const dir = t.testdir({ request })
  const target = await listen(t, socket => socket.resume().on('end', () => socket.end()))
  const setup = env.NO_COLOR ? '' : 'unset NO_COLOR; ' // which terminals of tests have set
  const script = `${setup}tcp-pipe send -q request -t '${spec}' --to ${target.to}`
  const { code, stdout } = await onTerminal(t, script, { cwd: dir, columns, env }).ended
  t.equal(code, 0)
  return String(stdout)
}
