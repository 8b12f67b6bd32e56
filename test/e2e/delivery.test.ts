/** What precedes an error arrives; then the connection fails, once. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { bounded, closed, dial, eventually, listen, pattern, proxy, run, serve } from './support.js'

/**
 * Expects a reset. A peer that is slow finds it together with the bytes and sees an end, as every program on libuv does:
 * so on a busy machine it is tried again.
 */
async function untilReset(t: Test, attempt: () => Promise<unknown>): Promise<void> {
  let failure: unknown
  for (let tries = 0; tries < 5 && !failure; tries++) failure = await attempt()
  t.match(failure, { code: 'ECONNRESET' })
}

/** Either end: a reset, or what a slow peer takes for a normal one. */
function endOf(socket: Socket): Promise<unknown> {
  return Promise.race([closed(socket), once(socket, 'end').catch(() => {})])
}

/** A server that reads, and what it has seen of its client at the end. */
async function reader(t: Test) {
  const seen: { text: string; failure: unknown } = { text: '', failure: undefined }
  let over: Promise<unknown> | undefined
  const { to } = await listen(t, socket => {
    over = endOf(socket)
    socket.on('data', chunk => {
      seen.text += chunk
    })
    socket.on('error', error => {
      seen.failure = error
    })
  })
  return { to, seen: () => bounded(over as Promise<unknown>, 'the reset').then(() => seen) }
}

/** Specs with an input that has an error in it, and what precedes the error. */
const cases = [
  ['json', '{"a":1}\nx\n', '{"a":1}\n', 'ERR_JSON'],
  ['json', `${'{"a":1}\n'.repeat(20_000)}{"a" 1}\n`, '{"a":1}\n'.repeat(20_000), 'ERR_JSON'],
  ['unframe u8', '\x02hi\x02a\n', 'hi\n', 'ERR_INPUT'],
  ['unbase64', 'SGVsbG8K*', 'Hello\n', 'ERR_INPUT'],
  ['json | slice 1 | hex plain=true width=1', '1\nx\n', '31\n0a\n', 'ERR_JSON'],
] as const

for (const [spec, input, expected, code] of cases) {
  t.test(`${spec}, ${input.length} bytes: what precedes the error arrives (G-10)`, async t => {
    const faults = [code]
    await t.test('serve, stdout', async t => {
      const server = await serve(t, ['0', '--once', '-t', spec], { faults })
      const client = await dial(t, server.port)
      client.end(input)
      await bounded(closed(client.resume()), 'the reset')
      const { code: exit, stdout } = await server.ended
      t.equal(exit, 1)
      t.equal(String(stdout), expected)
    })
    await t.test('serve, a file', async t => {
      const dir = t.testdir()
      const server = await serve(t, ['0', '--once', '-t', spec, '-o', 'out'], { cwd: dir, faults })
      const client = await dial(t, server.port)
      client.end(input)
      await bounded(closed(client.resume()), 'the reset')
      await server.ended
      t.equal(readFileSync(join(dir, 'out.part'), 'utf8'), expected)
    })
    await t.test('serve --reply: the client gets it, and then a reset', async t => {
      await untilReset(t, async () => {
        const server = await serve(t, ['0', '--reply', '-t', spec], { faults })
        const client = await dial(t, server.port)
        let text = ''
        client.on('data', chunk => {
          text += chunk
        })
        client.write(input)
        await bounded(endOf(client), 'the reset')
        t.equal(text, expected)
        return client.failed
      })
    })
    await t.test('send: the server gets it, and then a reset', async t => {
      await untilReset(t, async () => {
        const target = await reader(t)
        const { code: exit } = await run(t, ['send', '--to', target.to, '-t', spec], {
          input,
          faults: [/json|unframe|unbase64|line \d+/],
        })
        t.equal(exit, 1)
        const { text, failure } = await target.seen()
        t.equal(text, expected)
        return failure
      })
    })
  })
}

t.test('send: a file that cannot be read to its end: what precedes it arrives, and then a reset (G-51)', async t => {
  const dir = t.testdir({ good: 'good\n' })
  for (const files of [
    ['good', '/proc/self/mem'],
    ['good', '/proc/self/mem', 'good'],
  ]) {
    await untilReset(t, async () => {
      const target = await reader(t)
      const { code } = await run(t, ['send', ...files, '--to', target.to], { cwd: dir, faults: ['EIO'] })
      t.equal(code, 1)
      const { text, failure } = await target.seen()
      t.equal(text, 'good\n')
      return failure
    })
  }
})

t.test('serve and proxy --max-bytes: as many as are allowed arrive (G-14)', async t => {
  const data = pattern(5000)
  for (const size of [1000, 5000]) {
    const faults = ['ERR_LIMIT']
    const server = await serve(t, ['0', '--once', '--max-bytes', '4000'], { faults })
    const client = await dial(t, server.port)
    for (let at = 0; at < data.length; at += size) client.write(data.subarray(at, at + size))
    await bounded(closed(client.resume()), 'the reset')
    t.ok((await server.ended).stdout.equals(data.subarray(0, 4000)))

    const got: Buffer[] = []
    const target = await listen(t, socket => void socket.on('data', chunk => got.push(chunk)))
    const between = await proxy(t, ['0', target.to, '--max-bytes', '4000'], { faults })
    const other = await dial(t, between.port)
    for (let at = 0; at < data.length; at += size) other.write(data.subarray(at, at + size))
    await bounded(closed(other.resume()), 'the reset')
    await between.logged('connection failed')
    await eventually('what is allowed', () => Buffer.concat(got).length >= 4000)
    t.ok(Buffer.concat(got).equals(data.subarray(0, 4000)))
  }
})

t.test('json changes no number, and refuses a member that occurs twice (G-11)', async t => {
  const value = '{"v":[1e400,-0,12345678901234567890]}\n'
  const server = await serve(t, ['0', '--reply', '-t', 'json'], { faults: ['line 2: duplicate member \\"a\\"'] })
  const client = await dial(t, server.port)
  let text = ''
  client.on('data', chunk => {
    text += chunk
  })
  client.write(`${value}{"a":1,"a":2}\n`)
  await bounded(closed(client), 'the reset')
  t.equal(text, value)
})
