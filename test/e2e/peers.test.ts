import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { freePort, launch, missing, pattern, serve, shell, tcpPipe } from './support.js'

const data = pattern(500_003)

/** Peers as clients: each ends its side at the end of its stdin, and prints what comes back. */
const clients: Record<string, (port: number) => string> = {
  nc: port => `nc -N 127.0.0.1 ${port}`,
  ncat: port => `ncat 127.0.0.1 ${port}`,
  socat: port => `socat -t 10 - TCP:127.0.0.1:${port}`,
}

/** Peers as servers: each prints what comes, and answers with a file. */
const servers: Record<string, (port: number) => string> = {
  nc: port => `nc -N -l 127.0.0.1 ${port} < answer`,
  ncat: port => `ncat -l 127.0.0.1 ${port} < answer`,
  socat: port => `socat -t 10 - TCP-LISTEN:${port},bind=127.0.0.1 < answer`,
}

for (const [name, command] of Object.entries(clients)) {
  t.test(`${name} as a client: what it sends comes back`, { skip: unusable(name) }, async t => {
    const server = await serve(t, ['0', '--reply'])
    const { code, stdout } = await launch(t, 'bash', ['-c', command(server.port)], { input: data }).ended
    t.equal(code, 0)
    t.ok(stdout.equals(data), `${stdout.length} bytes`)
    t.match(await server.logged('connection closed'), { bytesIn: data.length, bytesOut: data.length, closedBy: 'peer' })
  })
}

for (const [name, command] of Object.entries(servers)) {
  t.test(`${name} as a server: it gets all, and its answer is printed`, { skip: unusable(name) }, async t => {
    const dir = t.testdir()
    writeFileSync(join(dir, 'data'), data)
    writeFileSync(join(dir, 'answer'), data.subarray(0, 100_000))
    const port = await freePort()
    const peer = launch(t, 'bash', ['-c', command(port)], { cwd: dir, faults: null })
    const client = tcpPipe(t, ['send', 'data', '--to', `127.0.0.1:${port}`, '--retry', '20'], { cwd: dir })
    const { code, stdout } = await client.ended
    t.equal(code, 0)
    t.ok(stdout.equals(data.subarray(0, 100_000)), `${stdout.length} bytes answered`)
    t.ok((await peer.ended).stdout.equals(data), 'all arrived')
  })
}

t.test('curl gets a web page from serve --from', { skip: missing('curl') }, async t => {
  const page = '<p>hello</p>\n'
  const dir = t.testdir({
    response: `HTTP/1.1 200 OK\r\nContent-Length: ${page.length}\r\nConnection: close\r\n\r\n${page}`,
  })
  const server = await serve(t, ['0', '--from', 'response'], { cwd: dir })
  for (let i = 0; i < 3; i++) {
    const { code, stdout } = await curl(t, `http://127.0.0.1:${server.port}/`)
    t.equal(code, 0)
    t.equal(String(stdout), page)
  }
  t.match(String(await server.printed('\r\n\r\n')), /^GET \/ HTTP\/1\.1\r\nHost: 127\.0\.0\.1/)
})

t.test('curl --http0.9 gets a file as it is', { skip: missing('curl') }, async t => {
  const server = await serve(t, ['0', '--from', 'README.md', '--once'])
  const { code, stdout } = await curl(t, '--http0.9', `http://127.0.0.1:${server.port}/`)
  t.equal(code, 0)
  t.match(String(stdout), /^# tcp-pipe/)
})

t.test('curl telnet:// delivers what it is given', { skip: missing('curl') }, async t => {
  const server = await serve(t, ['0', '--once'])
  const client = launch(t, 'curl', ['-s', `telnet://127.0.0.1:${server.port}`], { input: null, faults: null })
  client.child.stdin?.write('over telnet\n')
  t.equal(String(await server.printed('telnet\n')), 'over telnet\n')
  client.kill('SIGTERM')
  t.equal((await server.ended).code, 0)
})

t.test('two tcp-pipes and gzip in between, in one shell pipe', { skip: missing('gzip') }, async t => {
  const server = await serve(t, ['0', '--once', '-t', 'gunzip'])
  const { code } = await shell(t, `gzip -c README.md | tcp-pipe send --to ${server.to}`)
  t.equal(code, 0)
  t.match(String((await server.ended).stdout), /^# tcp-pipe/)
})

async function curl(t: Test, ...args: string[]) {
  return launch(t, 'curl', ['-s', '-S', '--max-time', '10', ...args]).ended
}

/** `-N` is what the OpenBSD variant of nc has; GNU's and busybox's do without. */
function unusable(name: string): string | false {
  return missing(name) || (name === 'nc' && missing('nc.openbsd') && 'nc is not the OpenBSD variant')
}
