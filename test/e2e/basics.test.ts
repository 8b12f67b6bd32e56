import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import t from 'tap'
import { bounded, exchange, freePort, listen, missing, pattern, root, run, serve, shell } from './support.js'

const readme = readFileSync(join(root, 'README.md'))

t.test('cat file | tcp-pipe send: serve prints exactly the file', async t => {
  const server = await serve(t, ['0', '--once'])
  const { code, stdout } = await shell(t, `cat README.md | tcp-pipe send --to ${server.to}`)
  t.equal(code, 0)
  t.equal(stdout.length, 0)
  const served = await server.ended
  t.equal(served.code, 0)
  t.ok(served.stdout.equals(readme))
  t.match(
    served.logs.map(({ msg }) => msg),
    ['listening', 'connection closed'],
  )
  t.match(served.logs[1], { bytesIn: readme.length, bytesOut: 0, closedBy: 'peer' })
})

t.test('the defaults: send finds serve on 127.0.0.1:3099', { skip: noNamespace() }, async t => {
  const script = `ip link set lo up
    tcp-pipe serve --once > "$OUT/served" &
    server=$!
    tcp-pipe send --retry 9 -q < README.md && wait $server`
  const dir = t.testdir()
  const { code, stderr } = await inNamespace(t, script, dir)
  t.equal(code, 0, stderr)
  t.ok(readFileSync(join(dir, 'served')).equals(readme))
})

t.test('serve 0.0.0.0:4000 --transform hex is a hex dump of what comes', { skip: noNamespace() }, async t => {
  const script = `ip link set lo up
    tcp-pipe serve 0.0.0.0:4000 --once --transform hex > "$OUT/served" &
    server=$!
    tcp-pipe send --retry 9 -q --to 127.0.0.1:4000 < README.md && wait $server
    hexdump -v -C < README.md > "$OUT/expected"`
  const dir = t.testdir()
  const { code, stderr } = await inNamespace(t, script, dir)
  t.equal(code, 0, stderr)
  t.equal(readFileSync(join(dir, 'served'), 'utf8'), readFileSync(join(dir, 'expected'), 'utf8'))
})

t.test("serve -t 'gunzip | grep ERROR' -o 'logs/{remote}-{id}.log': a file for each connection", async t => {
  const dir = t.testdir()
  const server = await serve(t, ['0', '-t', 'gunzip | grep ERROR', '-o', 'logs/{remote}-{id}.log'], { cwd: dir })
  const text = 'INFO a\nERROR b\nINFO c\nERROR d\n'
  for (let i = 0; i < 2; i++) t.equal((await run(t, ['send', '--to', server.to], { input: gzipSync(text) })).code, 0)
  const names = readdirSync(join(dir, 'logs'))
  t.equal(names.length, 2)
  for (const name of names) {
    t.match(name, /^127\.0\.0\.1-[0-9a-z]{10}\.log$/)
    t.equal(readFileSync(join(dir, 'logs', name), 'utf8'), 'ERROR b\nERROR d\n')
  }
  const closed = server.logs.filter(({ msg }) => msg === 'connection closed')
  t.match(closed, [{ sink: { bytes: 16 } }, { sink: { bytes: 16 } }], 'the log line tells the file and its size')
})

t.test("serve --reply -t 'hex plain=true': the result goes back to the client", async t => {
  const server = await serve(t, ['0', '--reply', '-t', 'hex plain=true'])
  const { code, stdout } = await run(t, ['send', '--to', server.to], { input: 'hello' })
  t.equal(code, 0)
  t.equal(String(stdout), '68656c6c6f\n')
})

t.test('serve --from FILE: the file goes to whoever connects, and what they send to stdout', async t => {
  const server = await serve(t, ['0', '--from', 'README.md'])
  const both = await Promise.all([run(t, ['send', '--to', server.to]), exchange(t, server.port, 'hello')])
  t.ok(both[0].stdout.equals(readme))
  t.ok(both[1].equals(readme))
  t.equal(String(await server.printed('hello')), 'hello')
})

t.test('serve --from FILE -r gzip: through reply transforms', async t => {
  const server = await serve(t, ['0', '--from', 'README.md', '-r', 'gzip'])
  t.ok(gunzipSync(await exchange(t, server.port, '')).equals(readme))
})

t.test('serve --from - --once: stdin goes to the one client', async t => {
  const server = await serve(t, ['0', '--from', '-', '--once'], { input: 'from stdin' })
  t.equal(String((await run(t, ['send', '--to', server.to])).stdout), 'from stdin')
  t.equal((await server.ended).code, 0)
})

t.test('serve --to ADDRESS: the result goes to another server', async t => {
  const target = await serve(t, ['0', '--once'])
  const server = await serve(t, ['0', '--to', target.to, '-t', 'gzip', '--once'])
  t.equal((await run(t, ['send', '--to', server.to], { input: 'hello' })).code, 0)
  t.equal(String(gunzipSync((await target.ended).stdout)), 'hello')
  t.match((await server.ended).logs.at(-1), { msg: 'connection closed', sink: { to: target.to, answered: 0 } })
})

t.test('serve --to an address where nobody listens: that connection is reset, the server lives', async t => {
  const to = `127.0.0.1:${await freePort()}`
  const server = await serve(t, ['0', '--to', to], { faults: ['ECONNREFUSED'] })
  const socket = connect({ port: server.port, host: '127.0.0.1' }) // the reset may come before it is connected
  const failed = new Promise(resolve => socket.once('error', resolve))
  socket.write('hello')
  t.match(await bounded(failed, 'the reset'), { code: 'ECONNRESET' })
  server.kill('SIGTERM')
  t.equal((await server.ended).code, 0)
})

t.test('send a.bin b.bin -t gzip: one after the other, as cat does', async t => {
  const dir = t.testdir()
  const [a, b] = [pattern(300_000), pattern(7)]
  writeFileSync(join(dir, 'a.bin'), a)
  writeFileSync(join(dir, 'b.bin'), b)
  const server = await serve(t, ['0', '--once'])
  const args = ['send', 'a.bin', '-', 'b.bin', '--to', server.to, '-t', 'gzip']
  t.equal((await run(t, args, { cwd: dir, input: 'between' })).code, 0)
  t.ok(gunzipSync((await server.ended).stdout).equals(Buffer.concat([a, Buffer.from('between'), b])))
})

t.test('echo hello | send --to an echo server: the reply is printed, through reply transforms', async t => {
  const echo = await listen(t, socket => socket.pipe(socket))
  const { code, stdout } = await shell(t, `echo hello | tcp-pipe send --to ${echo.to}`)
  t.equal(code, 0)
  t.equal(String(stdout), 'hello\n')
  const dumped = await run(t, ['send', '--to', echo.to, '-r', 'hex plain=true'], { input: 'hello\n' })
  t.equal(String(dumped.stdout), '68656c6c6f0a\n')
})

t.test('tcp-pipe transforms: the list, one in detail, and what it does not know', async t => {
  const list = String((await run(t, ['transforms'])).stdout)
  for (const name of ['grep', 'gzip', 'hex']) t.match(list, new RegExp(`^  ${name}\\b`, 'm'))
  t.match(String((await run(t, ['transforms', 'hex'])).stdout), /^hex: .*Usage: hex .*width=/s)
  const unknown = await run(t, ['transforms', 'hexx'], { faults: ["unknown transform 'hexx'; did you mean 'hex'?"] })
  t.equal(unknown.code, 2)
})

t.test('several -t are one pipeline', async t => {
  const server = await serve(t, ['0', '--reply', '-t', 'grep a', '-t', 'grep b | hex plain=true'])
  t.equal(String(await exchange(t, server.port, 'a\nab\nb\n')), '61620a\n')
})

t.test('fifty connections at once, one of which fails: all others get their own bytes', async t => {
  const server = await serve(t, ['0', '--reply', '-t', 'unhex | hex plain=true'], { faults: ['ERR_INPUT'] })
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, i) => {
      const text = i === 25 ? 'this is no hex' : `${pattern(1000 + i * 997).toString('hex')}`
      return exchange(t, server.port, text).then(
        back => back.toString('latin1').replaceAll('\n', '') === text,
        error => error.code,
      )
    }),
  )
  t.equal(answers[25], 'ECONNRESET')
  t.equal(answers.filter(answer => answer === true).length, 49)
})

function noNamespace(): string | false {
  return missing('unshare') || missing('ip') || missing('hexdump') || privateNetwork()
}

function privateNetwork(): string | false {
  return process.getuid?.() === 0 ? false : 'a private network needs root'
}

/** In a network of its own every port is free. */
function inNamespace(t: import('tap').Test, script: string, out: string) {
  return shell(t, `export -f tcp-pipe; unshare -n bash -ec '${script}'`, { env: { OUT: out }, faults: null })
}
