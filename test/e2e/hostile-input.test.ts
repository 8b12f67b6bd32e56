/** Input that would take more than it gives: it ends its connection, in little memory, and no other one. */
import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import t from 'tap'
import { bounded, closed, dial, exchange, residentBytes, run, type ServerProcess, serve } from './support.js'

const mebibyte = 2 ** 20
const linux = { skip: process.platform !== 'linux' && 'needs /proc' }

t.test('10 GB of compressed zeros are stopped at the limit (E-01)', linux, async t => {
  for (const [there, back, says] of [
    ['gzip level=1', 'gunzip', 'the output exceeds ratio=200: '],
    ['deflate', 'inflate', 'the output exceeds ratio=200: '],
    ['brotli', 'unbrotli', 'the output exceeds ratio='],
    ['gzip', 'gunzip ratio=1100 max=50m', 'the output exceeds max=52428800 bytes'],
  ] as const) {
    const server = await serve(t, ['0', '-t', back, '-o', '/dev/null'], { faults: [says], timeout: 60_000 })
    const warm = await run(t, ['send', '--to', server.to, '-t', there], { input: randomBytes(20 * mebibyte) })
    t.equal(warm.code, 0)
    const before = residentBytes(server.pid)
    const grown = peakOf(server)
    const started = performance.now()
    const args = ['send', '/dev/zero', '--to', server.to, '-t', `limit 10g | ${there}`]
    const { code } = await run(t, args, { faults: [/ECONNRESET|EPIPE/] })
    t.equal(code, 1)
    t.match(await server.logged('connection failed'), { closedBy: 'limit', code: 'ERR_OUTPUT_LIMIT' })
    const size = (await grown()) - before
    t.ok(size < 32 * mebibyte, `${back}: it has grown by ${size} bytes`)
    t.ok(performance.now() - started < 10_000, 'long before the end')
  }
})

t.test('lengths of 1 GiB without data take no memory, in 200 connections (E-03)', linux, async t => {
  const server = await serve(t, ['0', '--reply', '-t', 'unframe u32be max=1g raw=true'], { faults: null })
  const one = Buffer.concat([Buffer.from('00000001', 'hex'), Buffer.from('x')])
  for (let i = 0; i < 20; i++) t.equal(String(await exchange(t, server.port, one)), 'x')
  const before = residentBytes(server.pid)
  const sockets: Socket[] = []
  for (let i = 0; i < 200; i++) {
    const socket = await dial(t, server.port)
    socket.write(Buffer.concat([one, Buffer.from('40000000', 'hex'), Buffer.from('y')]))
    await new Promise(resolve => socket.once('data', resolve))
    sockets.push(socket)
  }
  const grown = residentBytes(server.pid) - before
  t.ok(grown < 64 * mebibyte, `${grown} bytes for 200 GiB that were announced`)
  for (const socket of sockets) socket.resetAndDestroy()
  t.equal(String(await exchange(t, server.port, one)), 'x')
})

t.test('a frame over the limit is refused from its length alone (E-03)', async t => {
  const server = await serve(t, ['0', '--reply', '-t', 'unframe u32be max=100 raw=true'], { faults: null })
  for (const length of ['00000065', 'ffffffff']) {
    const socket = await dial(t, server.port)
    socket.write(Buffer.from(length, 'hex')) // and no end
    await bounded(closed(socket), 'the reset')
    t.match(socket.failed, { code: 'ECONNRESET' }, length)
  }
  for (const length of ['00000000', '00000064']) {
    const frame = Buffer.concat([Buffer.from(length, 'hex'), Buffer.alloc(Number.parseInt(length, 16), 'a')])
    t.equal((await exchange(t, server.port, frame)).length, frame.length - 4, length)
  }
})

t.test('an endless line, value or frame is an error and takes no memory (E-04)', linux, async t => {
  for (const [spec, begin, says] of [
    ['grep x', '', 'a line is longer than --max-record, 1048576 bytes'],
    ['json', '"', 'a JSON value is longer than --max-record, 1048576 bytes'],
    ['json', '[1, ', 'a JSON value is longer than --max-record, 1048576 bytes'],
    ['unframe nul', '', 'longer than max'],
  ] as const) {
    const server = await serve(t, ['0', '--reply', '-t', spec], { faults: [says] })
    await exchange(t, server.port, spec === 'json' ? '1' : 'x')
    const before = residentBytes(server.pid)
    const grown = peakOf(server)
    const socket = await dial(t, server.port)
    socket.write(begin)
    Readable.from(endless()).pipe(socket.resume())
    await bounded(closed(socket), 'the reset')
    t.match(socket.failed, { code: /ECONNRESET|EPIPE/ }, spec)
    const size = (await grown()) - before
    t.ok(size < 32 * mebibyte, `${spec}: it has grown by ${size} bytes`)
    server.kill('SIGTERM')
    t.equal((await server.ended).code, 0)
  }
})

t.test('a line of 1 MiB is allowed, a longer one is not (E-04)', async t => {
  const server = await serve(t, ['0', '--reply', '-t', 'grep a'], { faults: ['ERR_RECORD_TOO_LONG'] })
  for (const length of [mebibyte - 1, mebibyte]) {
    const line = `${'a'.repeat(length)}\n`
    t.ok(String(await exchange(t, server.port, line)) === line, `${length} bytes`)
  }
  await t.rejects(exchange(t, server.port, `${'a'.repeat(mebibyte + 1)}\n`), { code: 'ECONNRESET' })
})

t.test('a million empty lines (E-04)', async t => {
  const server = await serve(t, ['0', '--reply', '-t', "grep '^$'"])
  t.ok((await exchange(t, server.port, Buffer.alloc(1e6, '\n'))).equals(Buffer.alloc(1e6, '\n')))
})

t.test('JSON nested 100,000 levels deep, and invalid JSON: the error names the line (E-04)', async t => {
  const deep = `1\n2\n${'['.repeat(1e5)}${']'.repeat(1e5)}\n`
  const inputs = [
    [deep, 'line 3: nested deeper than 512'],
    ['1\n{"a" 1}\n', 'line 2: '],
    ['{"a":1}\n\n{"a":\n', 'lines 3 to 4: '],
  ] as const
  const server = await serve(t, ['0', '--reply', '-t', 'json'], { faults: inputs.map(([, says]) => says) })
  for (const [input, says] of inputs) {
    await exchange(t, server.port, input).catch(() => {}) // a reset behind an answer may look like its end
    const line = await server.logged('connection failed', ({ error }) => String(error).startsWith(says))
    t.match(line, { closedBy: 'error', code: 'ERR_JSON' })
  }
})

t.test('lone surrogates become U+FFFD as bytes and are kept in JSON (E-04)', async t => {
  const bytes = Buffer.from('61eda080edb08062', 'hex')
  for (const [spec, input, expected] of [
    ['grep a', bytes, 'a\ufffd\ufffd\ufffd\ufffd\ufffd\ufffdb'],
    ['buffer-to-string', bytes, 'a\ufffd\ufffd\ufffd\ufffd\ufffd\ufffdb'],
    ['json', '"\\ud800 \\ud83d\\ude00"', '"\\ud800 😀"\n'],
    ['json', Buffer.concat([Buffer.from('"'), bytes, Buffer.from('"')]), `"a${'\ufffd'.repeat(6)}b"\n`],
  ] as const) {
    const server = await serve(t, ['0', '--reply', '-t', spec])
    t.equal(String(await exchange(t, server.port, input)), expected, spec)
  }
})

function* endless(): Generator<Buffer> {
  const block = Buffer.alloc(65_536, 'a')
  for (let i = 0; i < 4096; i++) yield block
}

/** From now on; what it gives is the most that the process had in memory since the call. */
function peakOf({ pid }: ServerProcess): () => Promise<number> {
  let peak = 0
  const timer = setInterval(() => {
    peak = Math.max(peak, residentBytes(pid))
  }, 5)
  return async () => {
    clearInterval(timer)
    return Math.max(peak, residentBytes(pid))
  }
}
