import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { gunzipSync, gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { selfSigned } from '../../lib/endpoints/tls/self-signed.js'
import { type ClientTls, send } from '../../lib/index.js'
import { files, node, read, root } from './support.js'

const tested = new Set<string>()

t.test('every example is a whole program under 30 lines of code', async t => {
  for (const file of files('examples', '.js')) {
    const code = read(file)
      .split('\n')
      .filter(line => line.trim() && !line.trim().startsWith('//'))
    t.ok(code.length < 30, file)
  }
})

t.test('demo.js: the main job', async t => {
  tested.add('examples/demo.js')
  const child = spawn('env', [...node, join(root, 'examples/demo.js')], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  t.equal(code, 0)
  t.match(output, /^00000000 {2}23 20 74 63 70/m, 'the dump is shown')
  t.match(output, /ok: \d+ bytes arrived unchanged/)
})

t.test('echo.js answers each line in capitals', async t => {
  const { exchange } = await start(t, 'echo.js')
  t.equal(String(await exchange('one\n\ntwo\n')), 'ONE\nTWO\n')
})

t.test('json-log.js prints the slow requests', async t => {
  const { exchange, child, output } = await start(t, 'json-log.js')
  await exchange('{"path":"/a","ms":5}\n{"path":"/b","ms":500}\n')
  child.kill('SIGINT')
  t.equal(await output, '127.0.0.1 /b took 500 ms\n')
})

t.test('handler.js numbers the lines of gzipped text', async t => {
  const { exchange } = await start(t, 'handler.js')
  t.equal(String(gunzipSync(await exchange(gzipSync('one\ntwo\n')))), '1 one\n2 two\n')
})

t.test('slow-server.js shows what a client sees', async t => {
  tested.add('examples/slow-server.js')
  const child = spawn(process.execPath, [join(root, 'examples/slow-server.js')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = (await text(child.stdout)).split('\n')
  t.match(lines, [
    /^as it is: pong after ping/,
    '100 ms late: pong after ping, late',
    /^down: ECONNREFUSED/,
    /^as before: pong after ping/,
  ])
})

t.test('client-certificates.js serves only known clients', async t => {
  const [{ cert, key }, stranger] = await Promise.all([selfSigned(), selfSigned()])
  const dir = t.testdir({ 'cert.pem': cert, 'key.pem': key, 'ca.pem': cert })
  const paths = ['cert.pem', 'key.pem', 'ca.pem'].map(name => join(dir, name))
  const { port, pin, child, output } = await start(t, 'client-certificates.js', paths)
  const ask = async (tls: ClientTls) => {
    const answer = new PassThrough()
    await send({ port, tls: { pin, ...tls }, from: Readable.from(['hello']), output: answer })
    return text(answer.end())
  }
  t.equal(await ask({ cert, key }), 'you said hello')
  await t.rejects(ask({}), 'no certificate')
  await t.rejects(ask(stranger), 'the certificate of another one')
  child.kill('SIGHUP')
  t.equal(await ask({ cert, key }), 'you said hello')
  child.kill('SIGINT')
  t.match(await output, /^127\.0\.0\.1, CN=tcp-pipe, by TLSv1\.3$/m)
})

t.test('every example has a test', async t => {
  t.same([...tested].sort(), files('examples', '.js'))
})

async function start(t: Test, name: string, words: string[] = []) {
  tested.add(`examples/${name}`)
  const env = { ...process.env, PORT: '0' }
  const child = spawn('env', [...node, join(root, 'examples', name), ...words], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const output = text(child.stdout)
  const [line] = await Promise.race([once(child.stdout, 'data'), once(child.stderr, 'data')])
  const [, portText, pin = ''] = /listening on (\d+)(?:, (.+))?/.exec(String(line)) ?? []
  const port = Number(portText)
  const exchange = (input: string | Buffer) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    socket.end(input)
    return buffer(socket)
  }
  return { child, exchange, output, port, pin }
}
