import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { createServer as createTlsServer, connect as tlsConnect } from 'node:tls'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import {
  bounded,
  cleanup,
  closed,
  eventually,
  freePort,
  launch,
  listen,
  missing,
  onTerminal,
  pattern,
  prelude,
  reached,
  shortDirectory,
} from '../e2e/support.js'
import { identity } from '../lib/tls.js'
import { read } from './support.js'

interface Pair {
  readonly theirs: string
  readonly ours: string
}

const sections = new Map(
  read('docs/coming-from.md')
    .split(/^## /m)
    .slice(1)
    .map(section => [section.split('\n', 1)[0] as string, pairsOf(section)]),
)

function pairsOf(section: string): Pair[] {
  return [...section.matchAll(/^\| `(.+)` \| `(.+)` \|$/gm)].map(([, theirs = '', ours = '']) => ({
    theirs: theirs.replaceAll('\\|', '|'),
    ours: ours.replaceAll('\\|', '|'),
  }))
}

const file = pattern(100_003)
const lines = 'INFO a\nERROR b\nINFO c\n'.repeat(100)

/** What both sides of a pair must have in common. */
interface Outcome {
  /** The bytes that the peer of the command has got. */
  readonly received: string
  readonly stdout: string
  /** The content of the file `copy`, if there is one. */
  readonly copy: string | undefined
}

/** The programs of the left side that are not installed. */
function absent(command: string): string | false {
  const programs = ['nc', 'ncat', 'socat', 'curl', 'pv', 'mbuffer', 'gunzip', 'hexdump', 'tar', 'openssl']
  const used = programs.filter(name => new RegExp(`(^|[|'] ?)${name} `).test(command))
  return used.map(name => missing(name === 'nc' ? 'nc.openbsd' : name)).find(Boolean) ?? false
}

/** A folder with all that the commands name. Its path is short, as that of a unix socket must be. */
function folder(t: Test): string {
  const cwd = shortDirectory(t)
  const { cert, key } = identity
  mkdirSync(join(cwd, 'folder'))
  const files = { file, lines, 'folder/a': 'a', 'ca.pem': cert, 'cert.pem': cert, 'key.pem': key }
  for (const [name, content] of Object.entries(files)) writeFileSync(join(cwd, name), content)
  for (const name of ['folder/a', 'folder']) utimesSync(join(cwd, name), 1, 1) // tar writes the times
  return cwd
}

interface Ports {
  readonly listen: number
  readonly target?: number
}

function scriptOf(command: string, { listen, target }: Ports): string {
  return command
    .replace(/\b3000\b/g, String(listen))
    .replace(/\b4000\b/g, String(target))
    .replace(/(^|[|'] ?)nc /g, '$1nc.openbsd ')
}

function start(t: Test, command: string, cwd: string, ports: Ports) {
  return launch(t, 'bash', ['-c', prelude + scriptOf(command, ports)], { cwd, faults: null, timeout: 60_000 })
}

function outcome(received: Buffer, stdout: Buffer, cwd: string): Outcome {
  const copy = join(cwd, 'copy')
  return {
    received: received.toString('latin1'),
    stdout: stdout.toString('latin1'),
    copy: existsSync(copy) ? readFileSync(copy, 'latin1') : undefined,
  }
}

/** Collects what a socket receives. */
function collected(socket: Duplex): Buffer[] {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => {})
  return chunks
}

async function opened(t: Test, server: Server, where: string | number): Promise<number> {
  if (typeof where === 'string') server.listen(where)
  else server.listen(where, '127.0.0.1')
  await once(server, 'listening')
  cleanup(t, () => server.close())
  const address = server.address()
  return address !== null && typeof address === 'object' ? address.port : 0
}

/** Runs a client. Its server answers, takes what comes, and ends at the end of the client or after the whole input. */
async function runClient(t: Test, command: string, { ours }: Pair): Promise<Outcome> {
  const cwd = folder(t)
  const chunks: Buffer[] = []
  const enough = command.includes('lines') ? lines.length : file.length
  const takesNothing = ours.includes('--receive-only')
  const isOneWay = ours.includes('> /dev/null') // a client that closes with an unread answer resets, and its data may be lost
  const over: Promise<unknown>[] = []
  const serve = (socket: Duplex) => {
    over.push(new Promise(resolve => socket.once('end', resolve).once('close', resolve)))
    const size = () => chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    socket.on('error', () => {}).on('end', () => socket.end())
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      if (size() >= enough) socket.end()
    })
    if (!isOneWay) socket.write('answer\n')
    if (takesNothing) socket.end()
  }
  const options = { allowHalfOpen: true }
  const server = ours.includes('tls://')
    ? createTlsServer({ ...identity, ...options }, serve)
    : createServer(options, serve)
  const listen = await opened(t, server, ours.includes('unix:') ? join(cwd, 'socket') : 0)
  const { stdout } = await start(t, command, cwd, { listen }).ended
  if (isOneWay) await eventually('its connection', () => over.length > 0) // it may have gone before we accept it
  await bounded(Promise.all(over), 'the end of its connection')
  return outcome(Buffer.concat(chunks), stdout, cwd)
}

/** Connects when the command listens, and trusts any certificate. */
async function connected(t: Test, { ours }: Pair, cwd: string, port: number): Promise<Duplex> {
  const to = ours.includes('unix:') ? { path: join(cwd, 'socket') } : port
  const socket = await reached(t, to)
  if (!ours.includes('serve tls://')) return socket
  const secure = tlsConnect({ socket, rejectUnauthorized: false })
  await once(secure, 'secureConnect')
  return secure
}

/** Runs a server, or a proxy before `target`. Its client sends, ends, and takes the reply. */
async function runServer(t: Test, command: string, pair: Pair, target?: number): Promise<Outcome> {
  const cwd = folder(t)
  const port = await freePort()
  const server = start(t, command, cwd, { listen: port, ...(target !== undefined && { target }) })
  const client = await connected(t, pair, cwd, port)
  const reply = collected(client)
  const size = () => reply.reduce((sum, chunk) => sum + chunk.length, 0)
  const data = pair.ours.includes('gunzip') ? gzipSync(lines) : lines
  client.write(data)
  if (pair.ours.includes('--from')) await eventually('the file', () => size() === file.length)
  client.end()
  await bounded(closed(client as never), 'the end of the connection', 30_000)
  const isForEver = !pair.ours.includes('--once')
  const prints = isForEver && target === undefined && !pair.ours.includes('--reply')
  if (prints) await server.printed(lines)
  if (isForEver) process.kill(-server.pid, 'SIGTERM') // also what it has started
  const { stdout } = await server.ended
  return outcome(Buffer.concat(reply), stdout, cwd)
}

/** A server that gives back what it gets. */
async function echo(t: Test, { ours }: Pair): Promise<number> {
  const options = { allowHalfOpen: true }
  const answer = (socket: Duplex) => void socket.on('error', () => {}).pipe(socket)
  const isSecure = ours.includes('tls://')
  return opened(t, isSecure ? createTlsServer({ ...identity, ...options }, answer) : createServer(options, answer), 0)
}

function compare(t: Test, { ours, theirs }: { ours: Outcome; theirs: Outcome }): void {
  for (const name of ['received', 'stdout', 'copy'] as const)
    t.ok(ours[name] === theirs[name], `${name}: ${ours[name]?.length} bytes, ${theirs[name]?.length} expected`)
  t.ok(`${ours.received}${ours.stdout}${ours.copy}`.length > 0)
}

const runs: Record<string, (t: Test, command: string, pair: Pair) => Promise<Outcome>> = {
  Clients: runClient,
  Servers: runServer,
  'Between a client and a server': async (t, command, pair) => runServer(t, command, pair, await echo(t, pair)),
}

t.test('there are thirty pairs at least, in sections that are known here', async t => {
  t.same([...sections.keys()], [...Object.keys(runs), 'By hand', 'toxiproxy'])
  t.ok([...sections.values()].flat().length >= 30)
  for (const [title, pairs] of sections) t.ok(pairs.length > 0, title)
})

for (const [title, run] of Object.entries(runs))
  for (const pair of sections.get(title) ?? [])
    t.test(pair.theirs, { skip: absent(pair.theirs) }, async t => {
      const outcomes: Outcome[] = []
      for (const command of [pair.theirs, pair.ours])
        await t.test(command, async t => void outcomes.push(await run(t, command, pair)))
      const [theirs, ours] = outcomes
      if (theirs && ours) compare(t, { ours, theirs })
    })

/** Someone types to a server or a client, and the other side replies. */
async function typed(t: Test, command: string): Promise<void> {
  const listens = /-l|serve/.test(command)
  const peer = listens ? undefined : await listen(t, socket => void socket.pipe(socket))
  const port = peer ? Number(peer.to.split(':')[1]) : await freePort()
  const script = scriptOf(command, { listen: port })
  const person = onTerminal(t, script)
  const socket = listens ? await reached(t, port) : undefined
  const chunks = socket ? collected(socket) : []
  socket?.write('from the peer\n')
  if (listens) await person.printed('from the peer')
  person.child.stdin?.write('typed\n')
  if (listens) await eventually('what is typed', () => String(Buffer.concat(chunks)).includes('typed\n'))
  else await person.printed('typed')
}

/** Which of the ports are open. */
async function ports(t: Test, command: string): Promise<void> {
  const { to } = await listen(t, socket => socket.resume())
  const port = Math.min(Number(to.split(':')[1]), 65_533)
  const { stdout, stderr } = await start(t, command.replaceAll('3002', String(port + 2)), '/', { listen: port }).ended
  const open = `${stdout}${stderr}`.split('\n').filter(line => /succeeded| open /.test(line))
  t.match(open.join('\n'), to.split(':')[1])
}

/** What passes is shown on stderr. */
async function watched(t: Test, command: string): Promise<void> {
  const target = await listen(t, socket => void socket.pipe(socket))
  const ports = { listen: await freePort(), target: Number(target.to.split(':')[1]) }
  const proxy = start(t, command, '/', ports)
  const socket = await reached(t, ports.listen)
  const chunks = collected(socket)
  socket.write('GREETING\n')
  await eventually('the reply', () => String(Buffer.concat(chunks)) === 'GREETING\n')
  const shown = / -x | dump$/.test(command.replaceAll("'", '')) ? /47 52 45 45/g : /GREETING/g
  await eventually('both directions', () => (proxy.stderr().match(shown)?.length ?? 0) >= 2)
  process.kill(-proxy.pid, 'SIGTERM')
}

/** The protocol and the certificate of a server, and whether it verifies. */
async function certificate(t: Test, command: string): Promise<void> {
  const cwd = folder(t)
  const port = await opened(
    t,
    createTlsServer(identity, socket => socket.on('error', () => {}).resume()),
    0,
  )
  const { code, stdout } = await start(t, command, cwd, { listen: port }).ended
  t.equal(code, 0)
  t.match(String(stdout), /TLSv1\.3/)
  t.match(String(stdout), /CN ?= ?tcp-pipe/)
  t.match(String(stdout), /Verify return code: 0 \(ok\)|verified +yes/)
}

for (const pair of sections.get('By hand') ?? [])
  for (const command of [pair.theirs, pair.ours]) {
    const look = /check tls/.test(pair.ours)
      ? certificate
      : /check/.test(pair.ours)
        ? ports
        : /proxy/.test(pair.ours)
          ? watched
          : typed
    t.test(`by hand: ${command}`, { skip: absent(command) || (look === typed && missing('script')) }, async t =>
      look(t, command),
    )
  }

/** What the client of a proxy gets of the answer. */
const toxics: Record<string, RegExp> = {
  latency: /^[\s\S]{2200}$/,
  bandwidth: /^[\s\S]{2200}$/,
  slicer: /^[\s\S]{2200}$/,
  limit_data: /^[\s\S]{1000}$/,
  reset_peer: /^$/,
  timeout: /^$/,
}

for (const pair of sections.get('toxiproxy') ?? []) {
  const [, name = ''] = /-t (\w+)/.exec(pair.theirs) ?? []
  t.test(`toxiproxy ${name}: only our side`, async t => {
    const { received } = await runServer(t, pair.ours, pair, await echo(t, pair))
    t.match(received, toxics[name], `${received.length} bytes`)
  })
}
