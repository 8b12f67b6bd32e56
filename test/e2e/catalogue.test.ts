/** The transforms from the command line: what only two processes and a socket between them can show. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { bounded, dial, eventually, exchange, missing, pattern, run, serve, tcpPipe } from './support.js'

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** What a server with these stages prints of an input. */
async function through(t: Test, spec: string, input: string | Buffer, cwd?: string): Promise<string> {
  const server = await serve(t, ['127.0.0.1:0', '--once', '-t', spec], cwd === undefined ? {} : { cwd })
  const sent = await run(t, ['send', '--to', server.to], { input })
  t.equal(sent.code, 0, sent.stderr)
  const { code, stdout } = await server.ended
  t.equal(code, 0)
  return stdout.toString()
}

t.test('a chain of many', async t => {
  const spec =
    "json pick=level,msg | grep '\"level\":5' | replace '.*\"msg\":\"(.*)\".*' '$1' | prefix '{number}. ' | skip 1 | head 2"
  const entries = Array.from({ length: 100 }, (_, i) =>
    JSON.stringify({ level: i % 2 ? 50 : 30, msg: `m${i}`, other: i }),
  )
  t.equal(await through(t, spec, entries.join('\n')), '2. m3\n3. m5\n')
})

t.test('there and back between two processes', async t => {
  const data = pattern(300_001)
  for (const [there, back] of [
    ['gzip | base64', 'unbase64 | gunzip'],
    ['frame u32be size=777', 'unframe u32be raw=true'],
    ['deflate | hex plain=true', 'unhex | inflate'],
    ['brotli', 'unbrotli'],
  ] as const) {
    const server = await serve(t, ['127.0.0.1:0', '--once', '-t', back])
    t.equal((await run(t, ['send', '--to', server.to, '-t', there], { input: data })).code, 0, there)
    t.ok((await server.ended).stdout.equals(data), back)
  }
})

t.test('head and limit answer a client that waits, and end', async t => {
  for (const [spec, request] of [
    ['head 1', 'one\n'],
    ['limit 4', 'one\n'],
  ] as const) {
    const server = await serve(t, ['127.0.0.1:0', '--reply', '-t', spec])
    const socket = await dial(t, server.port)
    socket.write(request) // and no end
    const answer = await bounded(socket.toArray(), 'the end')
    t.equal(Buffer.concat(answer).toString(), request, spec)
    t.match(await server.logged('connection closed'), { closedBy: 'local', bytesIn: 4, bytesOut: 4 })
    socket.destroy()
  }
})

t.test('a module of a user (G-42)', async t => {
  const cwd = t.testdir({
    'upper.js': 'export default chunk => String(chunk).toUpperCase()',
    'without.mjs': `import { defineTransform, none, text } from 'tcp-pipe'
      export default defineTransform({
        name: 'without', summary: 'drop the lines that contain a word', unit: 'line',
        options: { word: text('the word', { positional: true, required: true }) },
        create: ({ word }) => line => (line.includes(word) ? none : line),
      })`,
    'typed.ts': 'export default (line: string): string => line',
    'broken.js': '\nexport default (',
    'throws.mjs': '// a stage\nexport default chunk => {\n  throw new Error("no " + chunk)\n}',
  })
  t.equal(await through(t, './without.mjs b | ./upper.js', 'a\nb\nc\n', cwd), 'A\nC\n')
  const detail = await run(t, ['transforms', './without.mjs'], { cwd })
  t.match(detail.stdout.toString(), /drop the lines that contain a word\n\nUsage: \.\/without\.mjs WORD/)
  for (const [spec, message] of [
    ['./nothing.js', /^tcp-pipe: \.\/nothing\.js cannot be imported: Cannot find module/],
    ['./broken.js', /\.\/broken\.js cannot be imported: .* \(broken\.js:2\)$/],
    ['./without.mjs', /column 1: without needs word: the word/],
    ['./without.mjs b colour=red', /cannot take 'colour=red'; its options: word=/],
    ['hex | ./upper.js x', /column 18: .*cannot take 'x'; .* has no options/],
  ] as const) {
    const { code, stderr } = await run(t, ['serve', '127.0.0.1:0', '-t', spec], { cwd, faults: [message] })
    t.equal(code, 2, spec)
    t.equal(stderr.split('\n').length, 2, 'one line, before anything is bound')
  }
  const server = await serve(t, ['127.0.0.1:0', '--once', '-t', './throws.mjs', '-v'], { cwd, faults: ['no x'] })
  await t.rejects(exchange(t, server.port, 'x'), { code: 'ECONNRESET' })
  t.match(await server.logged('connection failed'), { error: 'no x', stage: './throws.mjs', at: 'throws.mjs:3' })
  const { stack } = await server.logged('what each stage did')
  t.match(stack, ['Error: no x', /^at default \(.*throws\.mjs:3:9\)$|^at .*throws\.mjs:3:9/])
  const loads = 'typescript' in process.features && process.features.typescript !== false
  const faults = loads ? [] : [/\.\/typed\.ts cannot be imported: .*; Node 22\.18 and later load TypeScript$/]
  t.equal((await run(t, ['transforms', './typed.ts'], { cwd, faults })).code, loads ? 0 : 2)
})

t.test('exec', async t => {
  await t.test('a program that fails resets the connection, which tells its last words', async t => {
    const spec = "exec sh -c 'cat > /dev/null; echo no space >&2; exit 3'"
    const server = await serve(t, ['127.0.0.1:0', '--once', '-t', spec], { faults: ['connection failed'] })
    t.equal((await run(t, ['send', '--to', server.to], { input: 'x', faults: ['ECONNRESET'] })).code, 1)
    const { code } = await server.ended
    t.equal(code, 1)
    t.match(await server.logged('connection failed'), {
      closedBy: 'error',
      code: 'ERR_EXEC',
      error: 'exec: sh failed with exit code 3: no space',
    })
  })

  await t.test('a program that stops ends an endless sender', async t => {
    const server = await serve(t, ['127.0.0.1:0', '--once', '-t', 'exec head -c 5'])
    const sent = run(t, ['send', '/dev/zero', '--to', server.to], { faults: ['connection failed'] })
    t.equal((await server.ended).stdout.toString('hex'), '0000000000')
    t.equal((await sent).code, 1, 'not everything was taken')
  })

  await t.test('runs no shell; peer data is only in the environment (E-07)', async t => {
    const cwd = t.testdir()
    const words = "exec printenv TCP_PIPE_REMOTE ';' '$(touch hacked)' '`touch hacked`' -x"
    const server = await serve(t, ['127.0.0.1:0', '--once', '-t', words], { cwd, faults: ['ERR_EXEC'] })
    await run(t, ['send', '--to', server.to], { input: 'x', faults: ['ECONNRESET'] })
    await server.ended
    t.notOk(existsSync(join(cwd, 'hacked')))
    t.equal(await through(t, 'exec printenv TCP_PIPE_REMOTE', ''), '127.0.0.1\n')
  })

  await t.test('knows the local address and port (G-44)', async t => {
    const words = "exec sh -c 'echo $TCP_PIPE_LOCAL $TCP_PIPE_LOCAL_PORT'"
    const server = await serve(t, ['0.0.0.0:0', '--once', '-t', words])
    t.equal((await run(t, ['send', '--to', `127.0.0.2:${server.port}`])).code, 0)
    t.equal(String((await server.ended).stdout), `127.0.0.2 ${server.port}\n`)
  })

  await t.test('an interrupted send leaves no program behind', async t => {
    const cwd = t.testdir()
    const server = await serve(t, ['127.0.0.1:0'], { faults: ['connection failed'] })
    const script = 'trap "" TERM INT; echo $$ > pid; while :; do sleep 0.05; done'
    const sender = tcpPipe(t, ['send', '--to', server.to, '-t', `exec sh -c '${script}'`], {
      cwd,
      input: 'x',
      faults: null,
    })
    const pid = () => Number(readFileSync(join(cwd, 'pid'), 'utf8'))
    await eventually('the program', () => existsSync(join(cwd, 'pid')) && pid() > 0)
    sender.kill('SIGINT')
    t.equal((await sender.ended).signal, 'SIGINT')
    await eventually('its end', () => !isAlive(pid()))
  })

  await t.test('one that is not there is found before anything is bound', async t => {
    const faults = [/'exec no-such-program x', column 1: exec command: program 'no-such-program' not found/]
    t.equal((await run(t, ['serve', '127.0.0.1:0', '-t', 'exec no-such-program x'], { faults })).code, 2)
  })

  await t.test('jq', { skip: missing('jq') }, async t => {
    t.equal(await through(t, 'exec jq -r .name', '{"name":"a"}{"name":"b"}'), 'a\nb\n')
  })
})

t.test('a nested bomb is stopped at its limit, in little memory (E-01)', async t => {
  const bomb = gzipSync(gzipSync(Buffer.alloc(300_000_000), { level: 1 }))
  const faults = ['ERR_OUTPUT_LIMIT']
  const server = await serve(t, ['127.0.0.1:0', '-t', 'gunzip | gunzip', '-o', '/dev/null'], { faults })
  const send = (input: Buffer, options = {}) => run(t, ['send', '--to', server.to], { input, ...options })
  t.equal((await send(gzipSync(gzipSync(pattern(1_000_000))))).code, 0)
  const before = peakMemory(server.pid)
  t.equal((await send(bomb, { faults: ['ECONNRESET'] })).code, 1)
  const line = await server.logged('connection failed')
  t.match(line, {
    closedBy: 'limit',
    error: /^gunzip: the output exceeds ratio=200: \d+ bytes of input gave \d+ bytes; a higher ratio allows it$/,
  })
  const grown = peakMemory(server.pid) - before
  t.ok(grown < 32 * 1024, `${grown} KiB`)
})

/** KiB; 0 where the system does not tell. */
function peakMemory(pid: number): number {
  const file = `/proc/${pid}/status`
  return existsSync(file) ? Number(/VmHWM:\s+(\d+)/.exec(readFileSync(file, 'utf8'))?.[1]) : 0
}
