import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { bounded, closed, dial, eventually, exchange, listen, pattern, run, serve, shell, tcpPipe } from './support.js'

t.test('a reset in the middle: logged once, the partial file is kept, the others go on (A-04)', async t => {
  const dir = t.testdir()
  const server = await serve(t, ['0', '-o', '{port}.bin'], { cwd: dir, faults: ['ECONNRESET'] })
  const good = await dial(t, server.port)
  const bad = await dial(t, server.port)
  const badName = `${bad.localPort}.bin`
  const [goodFile, badFile] = [join(dir, `${good.localPort}.bin`), join(dir, badName)]
  good.write('first ')
  bad.write(pattern(300_000))
  await arrived(`${badFile}.part`, 300_000)
  bad.resetAndDestroy()
  const line = await server.logged('connection failed')
  t.match(line, { closedBy: 'reset', code: 'ECONNRESET', bytesIn: 300_000 })
  t.match(line.sink, { file: `${badName}.part`, bytes: 300_000 })
  t.notOk(existsSync(badFile))
  t.equal(readFileSync(`${badFile}.part`).length, 300_000)
  good.end('second')
  await once(good.resume(), 'end')
  t.equal(readFileSync(goodFile, 'utf8'), 'first second')
})

t.test('the reset of a peer has one text, whether it is read, written to, or comes with data (G-28)', async t => {
  const error = 'the peer has reset the connection'
  for (const words of [[], ['--reply']]) {
    for (const isStopped of [false, true]) {
      const server = await serve(t, ['0', ...words], { faults: [error] })
      const client = await dial(t, server.port)
      client.write(words.length > 0 ? pattern(3_000_000) : 'x') // the reply is not read
      await (words.length > 0 ? once(client, 'readable') : server.printed(1))
      if (isStopped) server.kill('SIGSTOP')
      client.write('y', () => client.resetAndDestroy())
      await closed(client)
      server.kill('SIGCONT')
      t.match(await server.logged('connection failed'), { closedBy: 'reset', error })
    }
  }
})

t.test('data and a reset that come together are not taken for data and an end', async t => {
  t.test('serve: the part does not get the name of the whole', async t => {
    const dir = t.testdir()
    const server = await serve(t, ['0', '-o', 'out', '--once'], { cwd: dir, faults: ['ECONNRESET'] })
    const client = await dial(t, server.port)
    client.write('first ')
    await arrived(join(dir, 'out.part'), 6)
    server.kill('SIGSTOP')
    client.write('second', () => client.resetAndDestroy())
    await closed(client)
    server.kill('SIGCONT')
    const { code, logs } = await server.ended
    t.equal(code, 1)
    t.match(logs.at(-1), { closedBy: 'reset', code: 'ECONNRESET', bytesIn: 12 })
    t.notOk(existsSync(join(dir, 'out')))
  })

  t.test('send: an answer that was cut is a failure', async t => {
    const target = await listen(t, socket => {
      socket.on('end', () => {
        client.kill('SIGSTOP')
        socket.write('half an answer', () => socket.resetAndDestroy())
        socket.once('close', () => client.kill('SIGCONT'))
      })
      socket.resume()
    })
    const client = tcpPipe(t, ['send', '--to', target.to], { input: 'question', faults: ['ECONNRESET'] })
    t.equal((await client.ended).code, 1)
  })
})

t.test('send to a peer that resets: exit 1, one line (A-04)', async t => {
  const target = await listen(t, socket => void socket.once('data', () => socket.resetAndDestroy()))
  const client = tcpPipe(t, ['send', '--to', target.to], { input: null, faults: [/ECONNRESET|EPIPE/] })
  client.child.stdin?.write('x')
  t.equal((await client.ended).code, 1)
  t.equal(client.logs.length, 1)
})

t.test('a stage that fails: the client sees a reset, the others their own bytes', async t => {
  const server = await serve(t, ['0', '--reply', '-t', 'gunzip'], { faults: ['gunzip: incorrect header'] })
  await t.rejects(exchange(t, server.port, 'this is not gzip'), { code: 'ECONNRESET' })
  t.equal(String(await exchange(t, server.port, gzipSync('this is'))), 'this is')
})

t.test('10 kB in single bytes come to the same as in one write (A-07)', async t => {
  const text = Buffer.from('aé€😀\r\n'.repeat(800))
  const frames = Buffer.concat(Array.from({ length: 100 }, (_, i) => Buffer.concat([Buffer.of(0, i), pattern(i)])))
  for (const [title, spec, input, expected] of [
    ['characters of 1 to 4 bytes', 'grep 😀', text, text],
    ['characters as text', 'buffer-to-string | escape', text, Buffer.from('aé€😀\\r\n'.repeat(800))],
    ['frames', 'unframe u16be raw=true', Buffer.concat([frames, frames]), undefined],
  ] as const) {
    const server = await serve(t, ['0', '--reply', '-t', spec])
    const socket = await dial(t, server.port)
    socket.setNoDelay(true)
    const answer = bounded(buffer(socket), 'the answer')
    for (const byte of input) {
      socket.write(Buffer.of(byte))
      await new Promise(resolve => setImmediate(resolve))
    }
    socket.end()
    const inOne = await exchange(t, server.port, input)
    t.ok((await answer).equals(inOne), title)
    t.ok(inOne.equals(expected ?? Buffer.concat(Array.from({ length: 200 }, (_, i) => pattern(i % 100)))), title)
  }
})

t.test('--max-connections: the extra one is reset at once, and it is logged', async t => {
  const server = await serve(t, ['0', '--reply', '--max-connections', '2'])
  const held = [await dial(t, server.port), await dial(t, server.port)]
  for (const socket of held) {
    socket.write('x')
    await once(socket, 'data')
  }
  await t.rejects(exchange(t, server.port, ''), { code: 'ECONNRESET' })
  t.match(await server.logged('connections refused'), { level: 40, refused: { maxConnections: 1 } })
  for (const socket of held) {
    socket.end('y')
    t.equal(String((await once(socket, 'data'))[0]), 'y', 'the others go on')
  }
  await server.logged('connection closed', ({ bytesIn }) => bytesIn === 2)
  t.equal(String(await exchange(t, server.port, 'again')), 'again', 'and there is room again')
})

t.test('two connections share stdout in whole lines', async t => {
  const server = await serve(t, ['0', '-t', 'grep .'])
  const [a, b] = [await dial(t, server.port), await dial(t, server.port)]
  a.write('aaaa')
  b.write('bbbb')
  a.write(' and more\nlast of a')
  b.write(' too\n')
  await server.printed('bbbb too\n')
  await server.printed('aaaa and more\n')
  a.end()
  await server.printed('last of a')
  b.end('last of b\n')
  const text = String(await server.printed('last of b\n'))
  t.same(text.trimEnd().split('\n').sort(), ['aaaa and more', 'bbbb too', 'last of a', 'last of b'])
})

t.test('an unfinished last line gets its LF only when something comes behind it', async t => {
  const alone = await serve(t, ['0', '--once', '-t', 'grep .'])
  await run(t, ['send', '--to', alone.to], { input: 'one\ntwo' })
  t.equal(String((await alone.ended).stdout), 'one\ntwo')
  const shared = await serve(t, ['0', '-t', 'grep .'])
  for (const input of ['one', 'two\n', 'three']) {
    t.equal((await run(t, ['send', '--to', shared.to], { input })).code, 0)
  }
  t.equal(String(shared.stdout()), 'one\ntwo\nthree')
})

t.test('--label puts the connection before each line', async t => {
  const server = await serve(t, ['0', '--label'])
  const socket = await dial(t, server.port)
  socket.end('one\ntwo\n')
  const at = `127.0.0.1:${socket.localPort}`
  t.equal(String(await server.printed('two\n')), `${at} one\n${at} two\n`)
})

t.test('--once: one connection, further ones are refused', async t => {
  const server = await serve(t, ['0', '--once'])
  const first = await dial(t, server.port)
  first.write('first')
  await server.printed('first')
  await t.rejects(dial(t, server.port), { code: 'ECONNREFUSED' })
  first.end()
  t.equal((await server.ended).code, 0)
})

t.test('an endless source ends when the reader has enough', async t => {
  const script = `yes | tcp-pipe send --to $TO; echo "send: \${PIPESTATUS[1]}"`
  const server = await serve(t, ['0', '--once'], { faults: null, stdio: ['ignore', 'pipe', 'pipe'] })
  await server.logged('listening')
  server.child.stdout?.once('data', () => server.child.stdout?.destroy())
  const { stdout } = await shell(t, script, { env: { TO: server.to }, faults: [/ECONNRESET|EPIPE/] })
  t.equal(String(stdout), 'send: 1\n', 'the connection was reset, which is no success')
  t.equal((await server.ended).code, 141)
})

t.test('a peer that answers and closes ends a send whose pipe is endless', async t => {
  const target = await listen(t, socket => void socket.once('data', () => socket.resetAndDestroy()))
  const { stdout } = await shell(t, `yes | tcp-pipe send --to ${target.to}; echo "\${PIPESTATUS[1]}"`, {
    faults: [/ECONNRESET|EPIPE/],
  })
  t.equal(String(stdout), '1\n')
})

t.test('silence is no failure: a connection without a byte', async t => {
  const server = await serve(t, ['0', '--reply', '-t', 'hex'])
  t.equal((await exchange(t, server.port, '')).length, 0)
  t.match(await server.logged('connection closed'), { bytesIn: 0, bytesOut: 0, closedBy: 'peer' })
})

t.test('a port scan (connect, reset) leaves the server alone', async t => {
  const server = await serve(t, ['0', '--reply'], { faults: null })
  for (let i = 0; i < 20; i++) (await dial(t, server.port)).resetAndDestroy()
  t.equal(String(await exchange(t, server.port, 'alive')), 'alive')
})

/** Waits until a file has so many bytes. */
async function arrived(path: string, size: number): Promise<void> {
  await eventually(`${size} bytes in ${path}`, () => existsSync(path) && readFileSync(path).length >= size)
}

t.test('a client that is gone before it is accepted: one line, and --once is over', async t => {
  const server = await serve(t, ['127.0.0.1:0', '--once'], { faults: ['connection failed'] })
  const socket = await dial(t, server.port)
  socket.resetAndDestroy()
  t.equal((await server.ended).code, 1)
})
