import { once } from 'node:events'
import type { Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import t from 'tap'
import {
  blackHole,
  bounded,
  closed,
  dial,
  exchange,
  type LogLine,
  listen,
  type Process,
  pattern,
  proxy,
  run,
  serve,
  shortDirectory,
  tcpPipe,
} from './support.js'

t.test('--idle-timeout cuts a silent connection, and every byte begins it anew', async t => {
  const server = await serve(t, ['0', '--reply', '--idle-timeout', '400ms'], {
    faults: ['idle timeout', 'idle timeout'],
  })
  const silent = await dial(t, server.port)
  const busy = await dial(t, server.port)
  let echoed = 0
  busy.on('data', () => {
    if (++echoed < 8) setTimeout(() => busy.write('x'), 100)
  })
  const started = performance.now()
  busy.write('x')
  await bounded(closed(silent), 'the cut')
  t.match(silent.failed, { code: 'ECONNRESET' })
  t.match(await server.logged('connection failed'), {
    closedBy: 'timeout',
    timeout: 'idle',
    code: 'ERR_TIMEOUT',
    error: 'idle timeout: no byte for 400 ms',
  })
  await bounded(closed(busy), 'the other cut')
  t.equal(echoed, 8)
  t.ok(performance.now() - started > 1000)
})

t.test('a stage that never calls back is cut by the idle timeout', async t => {
  const server = await serve(t, ['0', '--reply', '-t', 'throttle 1', '--idle-timeout', '500ms'], {
    faults: ['idle timeout'],
  })
  const socket = await dial(t, server.port)
  socket.write('x'.repeat(100_000))
  await bounded(closed(socket), 'the cut')
})

t.test('--half-closed-timeout cuts what hangs after one side has ended', async t => {
  const server = await serve(t, ['0', '--from', '/dev/null', '--half-closed-timeout', '300ms'], {
    faults: ['half-closed timeout: no byte for 300 ms'],
  })
  const socket = await dial(t, server.port)
  socket.resume()
  t.match(await server.logged('connection failed'), { closedBy: 'timeout', timeout: 'half-closed' })
  socket.write('x') // a socket that has read its end looks again when it writes
  await bounded(closed(socket), 'the reset')
})

t.test('a target that does not read yet is not half-closed: it may wait for its own sink (G-43)', async t => {
  let accepted: (socket: Socket) => void
  const target = new Promise<Socket>(resolve => {
    accepted = resolve
  })
  const path = `${shortDirectory(t)}/s` // a unix socket holds little
  await listen(t, socket => accepted(socket.pause()), { path })
  const link = await proxy(t, ['0', `unix:${path}`, '-t', 'hex plain=true', '--half-closed-timeout', '300ms'])
  const client = await dial(t, link.port)
  client.resume().end(pattern(128 << 10))
  const socket = await target
  await wait(1500)
  t.notOk(link.logs.some(isFailure), 'it lives')
  const received = await bounded(buffer(socket), 'the data')
  t.equal(received.filter(byte => byte !== 10).length, 256 << 10)
  socket.end()
  t.match(await link.logged('connection closed'), { closedBy: 'peer' })
})

t.test('send → proxy → serve with a reader that pauses: the sender has success (G-43)', async t => {
  const data = pattern(4 << 20)
  const server = await serve(t, ['0', '--once', '--half-closed-timeout', '300ms'])
  server.child.stdout?.pause()
  const link = await proxy(t, ['0', server.to, '--once'])
  const sender = tcpPipe(t, ['send', '--to', link.to], { input: data })
  await wait(1500)
  server.child.stdout?.resume()
  t.equal((await sender.ended).code, 0)
  t.ok((await server.printed(data.length)).equals(data))
  t.match(await link.logged('connection closed'), { closedBy: 'peer' })
})

t.test('send waits for a slow answer by default (C-08)', async t => {
  const target = await listen(t, socket => {
    socket.resume().on('end', () => setTimeout(() => socket.end('late'), 2000))
  })
  const started = performance.now()
  const { code, stdout } = await run(t, ['send', '--to', target.to], { input: 'question' })
  t.equal(code, 0)
  t.equal(String(stdout), 'late')
  t.ok(performance.now() - started >= 2000)
})

t.test("--wait limits how long send waits for the peer's end: exit 1 (C-08)", async t => {
  const target = await listen(t, socket => void socket.resume())
  const { code, logs } = await run(t, ['send', '--to', target.to, '--wait', '200ms'], {
    input: 'question',
    faults: ['wait timeout: the peer did not end within 200ms'],
  })
  t.equal(code, 1)
  t.match(logs.at(-1), { closedBy: 'timeout', timeout: 'wait' })
})

t.test('--wait does not begin before our own end', async t => {
  const target = await listen(t, socket => void socket.pipe(socket))
  const client = tcpPipe(t, ['send', '--to', target.to, '--wait', '300ms'], { input: null })
  client.child.stdin?.write('first')
  await client.printed('first')
  await new Promise(resolve => setTimeout(resolve, 500))
  client.child.stdin?.end('second')
  await client.printed('firstsecond')
  t.equal((await client.ended).code, 0)
})

t.test('--on-eof close does not wait for a peer that never ends: exit 0', async t => {
  let received = ''
  const target = await listen(t, socket => {
    socket.on('data', chunk => {
      received += chunk
    })
  })
  const { code } = await run(t, ['send', '--to', target.to, '--on-eof', 'close'], { input: 'all of it' })
  t.equal(code, 0)
  t.equal(received, 'all of it')
})

t.test('--connect-timeout: a host that does not answer', async t => {
  const port = await blackHole(t)
  const started = performance.now()
  const { code } = await run(t, ['send', '--to', `127.0.0.1:${port}`, '--connect-timeout', '300ms'], {
    input: 'x',
    faults: [`connect timeout: no answer from 127.0.0.1:${port} in 300ms`],
  })
  t.equal(code, 1)
  t.ok(performance.now() - started < 5000)
})

t.test('an idle terminal or pipe on stdin does not keep send alive when its peer has reset', async t => {
  const target = await listen(t, socket => void socket.once('data', () => socket.resetAndDestroy()))
  const client = tcpPipe(t, ['send', '--to', target.to], { input: null, faults: [/ECONNRESET|EPIPE/] })
  client.child.stdin?.write('x')
  t.equal((await client.ended).code, 1)
})

type Begin = () => Promise<{ process: Process; peer: Socket; write: () => void }>

/** Bytes at 1, 2, 3 and 4 seconds, none after that: longer than the timeout, but never without a byte for so long. */
async function beats(write: () => void): Promise<void> {
  for (let i = 0; i < 4; i++) {
    await wait(1000)
    write()
  }
}

t.test('--idle-timeout 3s: reads and writes restart it; it expires 3 s after the last byte (F-06)', async t => {
  const faults = ['idle timeout: no byte for 3000 ms']
  const args = ['--idle-timeout', '3s']
  const roles: Record<string, Begin> = {
    async 'serve that reads'() {
      const server = await serve(t, ['0', ...args], { faults })
      const peer = await dial(t, server.port)
      return { process: server, peer, write: () => peer.write('x') }
    },
    async 'serve that writes'() {
      const server = await serve(t, ['0', '--once', '--from', '-', ...args], { faults })
      const peer = await dial(t, server.port)
      return { process: server, peer: peer.resume(), write: () => server.child.stdin?.write('x') }
    },
    async 'send that reads'() {
      const { client, peer } = await sender()
      return { process: client, peer, write: () => peer.write('x') }
    },
    async 'send that writes'() {
      const { client, peer } = await sender()
      return { process: client, peer: peer.resume(), write: () => client.child.stdin?.write('x') }
    },
    async 'proxy whose client sends'() {
      const { link, client, target } = await linked()
      target.resume()
      return { process: link, peer: client, write: () => client.write('x') }
    },
    async 'proxy whose target sends'() {
      const { link, client, target } = await linked()
      return { process: link, peer: client.resume(), write: () => target.write('x') }
    },
  }

  async function sender() {
    let accepted: (socket: Socket) => void
    const peer = new Promise<Socket>(resolve => {
      accepted = resolve
    })
    const target = await listen(t, socket => accepted(socket))
    const client = tcpPipe(t, ['send', '--to', target.to, ...args], { input: null, faults })
    return { client, peer: await bounded(peer, 'the connection') }
  }

  async function linked() {
    let accepted: (socket: Socket) => void
    const peer = new Promise<Socket>(resolve => {
      accepted = resolve
    })
    const to = await listen(t, socket => accepted(socket))
    const link = await proxy(t, ['0', to.to, ...args], { faults })
    const client = await dial(t, link.port)
    return { link, client, target: await bounded(peer, 'the connection') }
  }

  const watch = async (role: string) => {
    const { process, peer, write } = await (roles[role] as Begin)()
    await beats(write)
    t.notOk(process.logs.some(isFailure), `${role}: it lives after 4 s`)
    const last = performance.now()
    const line = await process.logged('connection failed')
    const passed = performance.now() - last
    t.match(line, { closedBy: 'timeout', timeout: 'idle', code: 'ERR_TIMEOUT' }, role)
    t.ok(passed > 2900 && passed < 5000, `${role}: ${Math.round(passed)} ms after the last byte`)
    await bounded(closed(peer.resume()), 'the reset')
    if (role.startsWith('send')) t.equal((await process.ended).code, 1)
  }
  await Promise.all(Object.keys(roles).map(watch))
})

t.test('time in which our own reader is the one that we wait for is not idle', async t => {
  const data = pattern(8 << 20)
  t.test('serve | a reader that pauses', async t => {
    const server = await serve(t, ['0', '--idle-timeout', '300ms'])
    server.child.stdout?.pause()
    const socket = await dial(t, server.port)
    socket.end(data)
    await wait(1500)
    t.notOk(server.logs.some(isFailure), 'it lives')
    server.child.stdout?.resume()
    t.ok((await server.printed(data.length)).equals(data))
    t.match(await server.logged('connection closed'), { closedBy: 'peer' })
    t.notOk(socket.failed)
  })
  t.test('send | a reader that pauses', async t => {
    const source = await listen(t, socket => socket.end(data))
    const client = tcpPipe(t, ['send', '--to', source.to, '--idle-timeout', '300ms'])
    client.child.stdout?.pause()
    await wait(1500)
    client.child.stdout?.resume()
    const { code, stdout } = await client.ended
    t.equal(code, 0)
    t.ok(stdout.equals(data))
  })
  t.test('a reader that has paused, and then a peer that says nothing', async t => {
    const server = await serve(t, ['0', '--idle-timeout', '300ms'], { faults: ['idle timeout'] })
    server.child.stdout?.pause()
    const socket = await dial(t, server.port)
    socket.write(data)
    await wait(600)
    server.child.stdout?.resume()
    await server.printed(data.length)
    t.match(await server.logged('connection failed'), { timeout: 'idle' })
  })
})

t.test('--first-byte-timeout cuts who says nothing, and only them', async t => {
  const target = await listen(t, socket => void socket.pipe(socket))
  for (const [command, args] of [
    [serve, ['0', '--reply']],
    [proxy, ['0', target.to]],
  ] as const) {
    t.test(command.name, async t => {
      const says = 'first-byte timeout: the peer sent nothing for 400 ms'
      const server = await command(t, [...args, '--first-byte-timeout', '400ms'], { faults: [says] })
      const [silent, talking, ended] = await Promise.all([1, 2, 3].map(() => dial(t, server.port)))
      const began = performance.now()
      await exchangeByte(talking as Socket)
      ended?.end()
      await bounded(closed(silent as Socket), 'the reset')
      t.ok(performance.now() - began > 350)
      t.match(silent?.failed, { code: 'ECONNRESET' })
      t.match(await server.logged('connection failed'), { closedBy: 'timeout', timeout: 'first-byte', bytesIn: 0 })
      await wait(600)
      await exchangeByte(talking as Socket)
      t.notOk(talking?.failed)
    })
  }
})

t.test('--max-duration cuts what lasts longer, busy or not', async t => {
  const echo = await listen(t, socket => void socket.pipe(socket))
  const faults = ['duration timeout: the connection has lasted 700 ms']
  for (const [command, args] of [
    [serve, ['0', '--reply']],
    [proxy, ['0', echo.to]],
  ] as const) {
    t.test(command.name, async t => {
      const server = await command(t, [...args, '--max-duration', '700ms'], { faults })
      const socket = await dial(t, server.port)
      const began = performance.now()
      socket.on('data', () => setTimeout(() => socket.write('x'), 50))
      socket.write('x')
      await bounded(closed(socket), 'the reset')
      t.match(socket.failed, { code: /ECONNRESET|EPIPE/ })
      const passed = performance.now() - began
      t.ok(passed > 600 && passed < 3000, `${Math.round(passed)} ms`)
      t.match(await server.logged('connection failed'), { closedBy: 'timeout', timeout: 'duration' })
      t.equal(String(await exchange(t, server.port, 'the next one')), 'the next one')
    })
  }
  t.test('send', async t => {
    const sink = await listen(t, socket => void socket.resume())
    const client = await run(t, ['send', '/dev/zero', '--to', sink.to, '--max-duration', '700ms'], { faults })
    t.equal(client.code, 1)
    t.match(client.logs.at(-1), { closedBy: 'timeout', timeout: 'duration' })
  })
})

t.test('--half-closed-timeout of proxy: the target has ended, the client says nothing', async t => {
  const target = await listen(t, socket => void socket.end('bye'))
  const server = await proxy(t, ['0', target.to, '--half-closed-timeout', '300ms'], { faults: ['half-closed timeout'] })
  const client = await dial(t, server.port)
  t.equal(String((await once(client, 'data'))[0]), 'bye')
  t.match(await server.logged('connection failed'), { closedBy: 'timeout', timeout: 'half-closed' })
})

t.test('--connect-timeout of proxy and of serve --to: the client is reset, the others live', async t => {
  const to = `127.0.0.1:${await blackHole(t)}`
  for (const [command, args] of [
    [proxy, ['0', to]],
    [serve, ['0', '--to', to]],
  ] as const) {
    t.test(command.name, async t => {
      const says = `connect timeout: no answer from ${to} in 400ms`
      const server = await command(t, [...args, '--connect-timeout', '400ms'], { faults: [says, says] })
      const began = performance.now()
      for (let i = 0; i < 2; i++) {
        const client = await dial(t, server.port)
        client.write('x')
        await bounded(closed(client.resume()), 'the reset')
        t.match(client.failed, { code: 'ECONNRESET' })
      }
      t.ok(performance.now() - began < 5000)
      t.match(await server.logged('connection failed'), { closedBy: 'timeout', timeout: 'connect' })
    })
  }
  t.test('off: it waits on', async t => {
    const server = await proxy(t, ['0', to, '--connect-timeout', 'off'], {
      env: { TCP_PIPE_PROXY_CONNECT_TIMEOUT: '200ms' },
      faults: null,
    })
    const client = await dial(t, server.port)
    await wait(800)
    t.notOk(client.failed)
    t.notOk(server.logs.some(isFailure))
  })
})

for (const off of ['off', '0']) {
  t.test(`${off} turns a timeout off, also one of the environment`, async t => {
    const names = ['idle-timeout', 'half-closed-timeout', 'first-byte-timeout', 'max-duration', 'handshake-timeout']
    const args = names.flatMap(name => [`--${name}`, off])
    const envOf = (command: string) =>
      Object.fromEntries(names.map(name => [`TCP_PIPE_${command}_${name.replaceAll('-', '_').toUpperCase()}`, '200ms']))
    const target = await listen(t, socket => void socket.pipe(socket))
    const server = await serve(t, ['0', '--reply', ...args], { env: envOf('SERVE') })
    const link = await proxy(t, ['0', target.to, ...args], { env: envOf('PROXY') })
    const secure = await serve(t, ['0', '--tls', 'auto', '--handshake-timeout', off], {
      env: { TCP_PIPE_SERVE_HANDSHAKE_TIMEOUT: '200ms' },
    })
    const clients = await Promise.all([server, link, secure].map(({ port }) => dial(t, port)))
    const late = await listen(t, socket => {
      socket.resume().on('end', () => setTimeout(() => socket.end('late'), 800))
    })
    const sent = run(t, ['send', '--to', late.to, '--wait', off, '--idle-timeout', off, '--max-duration', off], {
      env: { TCP_PIPE_SEND_WAIT: '200ms', TCP_PIPE_SEND_IDLE_TIMEOUT: '200ms', TCP_PIPE_SEND_MAX_DURATION: '200ms' },
      input: 'x',
    })
    await wait(800)
    for (const client of clients) t.notOk(client.failed)
    for (const client of clients.slice(0, 2)) await exchangeByte(client)
    const { code, stdout } = await sent
    t.equal(code, 0)
    t.equal(String(stdout), 'late')
  })
}

t.test('what is no time, or too long for a timer: exit 2, told with the option', async t => {
  for (const [words, says] of [
    ['serve 0 --idle-timeout=soon', "--idle-timeout: 'soon' is not allowed; expected a duration"],
    ['serve 0 --first-byte-timeout=-1s', "--first-byte-timeout: '-1s' is not allowed; expected a duration"],
    ['serve 0 --max-duration=', "--max-duration: '' is not allowed; expected a duration"],
    ['proxy 0 :9 --half-closed-timeout=25d', "--half-closed-timeout: '25d' is not allowed; expected a duration"],
    ['proxy 0 :9 --drain-timeout=597h', "--drain-timeout: '597h' is too long; expected at most 596h31m, or off"],
    ['send --wait=1000h', "--wait: '1000h' is too long"],
  ] as const) {
    const { code, logs } = await run(t, words.split(' '), { faults: [says] })
    t.equal(code, 2, words)
    t.same(logs, [])
  }
})

function isFailure({ msg }: LogLine): boolean {
  return msg === 'connection failed'
}

/** Sends a byte and waits until it is back. */
async function exchangeByte(socket: Socket): Promise<void> {
  socket.write('x')
  await bounded(once(socket, 'data'), 'an echo')
}

function wait(time: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, time))
}
