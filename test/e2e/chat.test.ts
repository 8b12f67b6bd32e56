import { connect } from 'node:net'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import t, { type Test } from 'tap'
import {
  closed,
  dial,
  eventually,
  missing,
  onTerminal,
  type Process,
  run,
  screen,
  serve,
  shortDirectory,
} from './support.js'

const skip = missing('script')

t.test('two people at two terminals', { skip }, async t => {
  for (const columns of [80, 50]) {
    t.test(`of ${columns} columns`, async t => {
      const path = join(shortDirectory(t), 's')
      const server = onTerminal(t, `tcp-pipe serve unix:${path} --chat`, { columns })
      await server.printed('listening')
      const client = onTerminal(t, `tcp-pipe send --to unix:${path}`, { columns })
      for (const each of [server, client]) {
        await each.printed('connected')
        await each.printed('reading from the terminal; Ctrl-D ends')
      }
      type(server, 'from the server\n')
      await client.printed('from the server')
      type(client, 'from the client\n')
      await server.printed('from the client')
      type(client, '\x04')
      await server.printed('the peer has ended')
      type(server, 'after your end\n')
      await client.printed('after your end')
      type(server, '\x04')
      const { code, stdout } = await client.ended
      t.equal(code, 0)
      await server.printed('waiting for the next client')
      type(server, '\x04')
      const ended = await server.ended
      t.equal(ended.code, 0, 'without a client Ctrl-D ends the server')
      t.ok(String(ended.stdout).indexOf('from the client') < String(ended.stdout).indexOf('the peer has ended'))
      for (const shown of [stdout, ended.stdout]) {
        t.equal(screen(shown).lines.filter(line => / connected$/.test(line)).length, 1, 'connected is said once')
        t.match(String(shown), / connected[\s\S]*reading from the terminal/, 'and then how to end')
        for (const text of ['from the client', 'from the server', 'after your end'])
          t.ok(
            screen(shown).lines.filter(line => line === text).length <= 1,
            'what the other says is a line of its own',
          )
      }
      t.ok(screen(stdout).lines.includes('after your end'))
      t.ok(screen(ended.stdout).lines.includes('from the client'))
    })
  }
})

t.test('one after the other: what is typed between clients is for the next one', { skip }, async t => {
  const { server, port } = await serveOnTerminal(t)
  type(server, 'before anybody\n')
  const first = await dial(t, port)
  await arrives(first, 'before anybody\n')
  const second = connect(port, '127.0.0.1').resume()
  await t.rejects(finished(second), { code: 'ECONNRESET' }, 'a second one is refused, maybe while it connects')
  await server.printed('"refused":{"maxConnections":1}')
  first.write('still here\n')
  await server.printed('still here')
  first.resetAndDestroy()
  await server.printed('waiting for the next client')
  type(server, 'between\n')
  const third = await dial(t, port)
  await arrives(third, 'between\n')
  type(server, '\x04')
  await arrives(third, 'end')
  third.end('my last words\n')
  await server.printed('my last words')
  await eventually('waiting again', () => String(server.stdout()).split('waiting for the next client').length === 3)
  type(server, '\x04')
  t.equal((await server.ended).code, 0)
})

t.test('Ctrl-C ends at once, and the other side learns of it', { skip }, async t => {
  for (const isConnected of [false, true]) {
    const { server, port } = await serveOnTerminal(t)
    const peer = isConnected ? await dial(t, port) : undefined
    if (peer) await server.printed('reading from the terminal')
    type(server, '\x03')
    const { code, stdout } = await server.ended
    t.equal(code, 130)
    t.notMatch(String(stdout), 'waiting for the next client')
    if (!peer) continue
    await closed(peer.resume())
    t.match(peer.failed, { code: 'ECONNRESET' })
  }
})

t.test('a second client is refused: busy, not beyond an option that was not given', { skip }, async t => {
  const path = join(shortDirectory(t), 's')
  const server = onTerminal(t, `tcp-pipe serve unix:${path} --chat`)
  await server.printed('listening')
  await dial(t, { path })
  await server.printed('connected')
  await dial(t, { path }).catch(() => {})
  await server.printed('refused 1 connection while busy with one client, the last from unix')
})

t.test('--once ends with the first client', { skip }, async t => {
  const path = join(shortDirectory(t), 's')
  const server = onTerminal(t, `tcp-pipe serve unix:${path} --chat --once`)
  await server.printed('listening')
  const client = await dial(t, { path })
  client.end('hello\n')
  await server.printed('the peer has ended')
  type(server, 'bye\n\x04')
  await arrives(client, 'bye\n')
  const { code, stdout } = await server.ended
  t.equal(code, 0)
  t.notMatch(String(stdout), 'waiting for the next client')
})

t.test('input that is no terminal: its end ends the server after the client', async t => {
  const server = await serve(t, ['0', '--chat', '-q', '--log-level', 'info'], { input: 'hello\n' })
  const client = await dial(t, server.port)
  await arrives(client, 'hello\n')
  client.end('and back')
  const { code, stdout, logs } = await server.ended
  t.equal(code, 0)
  t.equal(String(stdout), 'and back')
  t.notOk(logs.some(({ msg }) => msg.includes('reading from the terminal')))
})

t.test('-q: no lines about the other', { skip }, async t => {
  const path = join(shortDirectory(t), 's')
  const server = await serve(t, [`unix:${path}`, '--once'])
  const client = onTerminal(t, `tcp-pipe send -q --to unix:${path}`)
  type(client, 'x\n')
  await server.printed('x')
  type(client, '\x04')
  t.notMatch(String((await client.ended).stdout), /connected|reading|ended/)
})

t.test('what --chat excludes', async t => {
  for (const [args, message] of [
    [['--from', 'README.md'], '--chat and --from exclude each other'],
    [['--reply'], '--chat and --reply exclude each other'],
    [['--to', '127.0.0.1:1'], '--chat and --to exclude each other'],
    [['-o', 'x'], '--chat and --output exclude each other'],
    [['--max-connections', '2'], '--chat and --max-connections exclude each other'],
  ] as const) {
    const { code } = await run(t, ['serve', '0', '--chat', ...args], { faults: [message] })
    t.equal(code, 2, message)
  }
})

/** `serve --chat` at a terminal, listening. */
async function serveOnTerminal(t: Test): Promise<{ server: Process; port: number }> {
  const server = onTerminal(t, 'tcp-pipe serve 0 --chat --log-format json')
  await server.printed('"listening"}')
  const [line = ''] = /\{.*"listening"\}/.exec(String(server.stdout())) ?? []
  return { server, port: JSON.parse(line).port }
}

function type(to: Process, text: string): void {
  to.child.stdin?.write(text)
}

/** Resolves when a client has received this text, or its end. */
async function arrives(client: Awaited<ReturnType<typeof dial>>, text: string): Promise<void> {
  let got = ''
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${text} did not arrive; got ${got}`)), 15_000)
    const done = () => {
      clearTimeout(late)
      client.off('data', take).pause()
      resolve()
    }
    const take = (chunk: Buffer) => {
      got += chunk
      if (got.includes(text)) done()
    }
    client.on('data', take).resume()
    if (text === 'end') client.once('end', done)
  })
}
