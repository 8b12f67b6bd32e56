/** Peers that speak the frames of sessions, and mean harm: an error for them, nothing for the others. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { encodeFrame, headerBytes } from '../../lib/formats/session-frames.js'
import { send } from '../../lib/send.js'
import { ackFrame, dataFrame, helloFrame, json, type RawPeer, rawDialler } from '../lib/endpoints/session/peer.js'
import { until } from '../lib/network.js'
import { bounded, eventually, residentBytes, type ServerProcess, serve } from './support.js'

const mebibyte = 2 ** 20
const linux = { skip: process.platform !== 'linux' && 'needs /proc' }
const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex')
const id = (number: number) => number.toString(16).padStart(32, '0')

interface Target {
  readonly server: ServerProcess
  readonly port: number
  /** The folder of the files. */
  readonly inside: string
  /** A folder above it. */
  readonly above: string
}

async function target(t: Test, ...args: string[]): Promise<Target> {
  const above = t.testdir({})
  const inside = join(above, 'in')
  mkdirSync(inside)
  const server = await serve(t, ['reliable://0', '-o', join(inside, '{name}'), ...args], {
    faults: null,
    timeout: 60_000,
  })
  return { server, port: server.port, inside, above }
}

const transfer = (facts: object = {}) => helloFrame({ kind: 'transfer', name: 'a', ...facts })

const endFrame = (data: string) => encodeFrame('end', Buffer.byteLength(data), json({ sha256: sha256(data) }))

/** An honest transfer gets its receipt. */
async function isAlive(t: Test, { port, inside }: Target, name: string): Promise<void> {
  const receipt = await bounded(send({ reliable: true, port, from: 'honest', name }), 'an honest transfer')
  t.match(receipt, { name, bytes: 6, sha256: sha256('honest') })
  t.equal(String(readFileSync(join(inside, name))), 'honest')
}

/** Sends the frames when the session has begun, and waits until the server ends the connection. */
async function attack(t: Test, port: number, hello: Buffer, ...frames: Buffer[]): Promise<RawPeer> {
  const peer = rawDialler(t, port, hello)
  await bounded(peer.got('welcome'), 'a welcome')
  peer.socket.write(Buffer.concat(frames))
  await bounded(peer.closed(), 'the end of the connection')
  return peer
}

t.test('a transfer that is cut anywhere is no file, and disturbs nobody (H-08)', async t => {
  const place = await target(t, '--idle-timeout', '30s')
  const all = Buffer.concat([transfer({ size: 4 }), dataFrame(0, 'data'), endFrame('data')])
  for (let cut = 0; cut < all.length; cut += 13) {
    const peer = rawDialler(t, place.port)
    peer.socket.end(all.subarray(0, cut))
    await bounded(peer.closed(), `the end after ${cut} bytes`)
  }
  t.notOk(existsSync(join(place.inside, 'a')))
  await isAlive(t, place, 'b')
})

t.test('what does not belong in a session fails it in words, and disturbs nobody (H-09)', async t => {
  const place = await target(t)
  const bad = (type: 'check' | 'end', offset: number, facts: unknown) =>
    encodeFrame(type, offset, Buffer.from(JSON.stringify(facts)))
  let number = 0
  for (const [frames, words] of [
    [[dataFrame(1, 'x')], 'the peer sent data at 1; expected 0'],
    [[dataFrame(0, 'x'), dataFrame(0, 'x')], 'the peer sent data at 0; expected 1'],
    [[dataFrame(2, 'cd'), dataFrame(0, 'ab')], 'the peer sent data at 2; expected 0'],
    [[endFrame(''), dataFrame(0, 'x')], /^the peer sent data at 0; expected none$|^$/],
    [[endFrame('abc')], 'the peer sent a check at 3; expected 0'],
    [[bad('check', 5, { sha256: sha256('') })], 'the peer sent a check at 5; expected 0'],
    [[bad('end', 0, [1])], 'the peer sent a frame of type end whose payload is not a JSON object'],
    [[bad('check', 0, null)], 'the peer sent a frame of type check whose payload is not a JSON object'],
    [[ackFrame(1)], 'the peer confirmed bytes that were not sent'],
    [[ackFrame(1, 1, true)], 'the peer confirmed bytes that were not sent'],
    [[ackFrame(2 ** 40, 0)], 'the peer confirmed bytes that were not sent'],
    [[encodeFrame('ack', 0, Buffer.alloc(7))], 'the peer sent an ack of a wrong length'],
    [[transfer()], 'the peer sent a frame of type hello in the middle of a session'],
    [[encodeFrame('welcome', 0, json({}))], 'the peer sent a frame of type welcome in the middle of a session'],
  ] as const) {
    const peer = await attack(t, place.port, transfer({ id: id(++number), name: `x${number}` }), ...frames)
    const error = peer.frames.find(({ type }) => type === 'error')
    const said = error ? (JSON.parse(String(error.payload)) as { message: string }).message : ''
    t.match(said, words)
    if (words instanceof RegExp) continue
    t.notOk(existsSync(join(place.inside, `x${number}`)), words)
  }
  await isAlive(t, place, 'b')
})

t.test('a wrong digest is sent again, and fails the transfer the third time (H-10)', async t => {
  const place = await target(t)
  const lie = encodeFrame('check', 1, json({ sha256: sha256('another') }))
  for (const again of [false, true]) {
    const peer = await attack(t, place.port, transfer({ again }), dataFrame(0, 'x', false), lie)
    t.notOk(peer.frames.some(({ type }) => type === 'error'))
  }
  const last = await attack(t, place.port, transfer({ again: true }), dataFrame(0, 'x', false), lie)
  t.equal(await last.refusal(), 'digest mismatch after 0 bytes')
  t.notOk(existsSync(join(place.inside, 'a')))
})

t.test('a frame that is damaged breaks its link, and no more (H-11)', async t => {
  const place = await target(t)
  const frame = dataFrame(0, 'data', true)
  let again = false
  for (let at = 0; at < frame.length; at++) {
    const damaged = Buffer.from(frame)
    damaged[at] = (damaged[at] as number) ^ 0x40
    const peer = rawDialler(t, place.port, transfer({ again }))
    await bounded(peer.got('welcome'), 'a welcome')
    peer.socket.end(damaged)
    await bounded(peer.closed(), `the end after byte ${at}`)
    t.notOk(
      peer.frames.some(({ type }) => type === 'error'),
      `byte ${at}`,
    )
    again = true
  }
  for (const length of [mebibyte + 1, 2 ** 32 - 1, 0]) {
    const huge = Buffer.from(frame)
    huge.writeUInt32BE(length, 4)
    await attack(t, place.port, transfer({ again }), huge)
  }
  const peer = rawDialler(t, place.port, transfer({ again }))
  t.match(await peer.got('welcome'), { offset: 0 })
  peer.socket.write(Buffer.concat([dataFrame(0, 'data'), endFrame('data')]))
  t.match(JSON.parse(String((await peer.got('end')).payload)), { receipt: { bytes: 4, sha256: sha256('data') } })
  t.equal(String(readFileSync(join(place.inside, 'a'))), 'data')
})

t.test('names that escape write nothing outside of the folder (H-12)', async t => {
  const place = await target(t)
  const before = readdirSync(place.above)
  for (const [number, name] of [
    '../x',
    '../../x',
    'a/../../x',
    '/tmp/tcp-pipe-escaped',
    '..',
    '.',
    '',
    'a\0b',
    'x'.repeat(4096),
    'a//../..//x',
    '..\\x',
    `${'../'.repeat(1000)}x`,
  ].entries()) {
    const peer = rawDialler(t, place.port, transfer({ id: id(number), name }))
    await bounded(
      until(() => peer.end.isClosed || peer.frames.length > 0),
      `an answer to ${JSON.stringify(name.slice(0, 20))}`,
    )
    peer.socket.write(Buffer.concat([dataFrame(0, 'x'), endFrame('x')]))
    await bounded(
      until(() => peer.end.isClosed || peer.frames.some(({ type }) => type === 'end' || type === 'error')),
      name,
    )
    peer.socket.destroy()
  }
  t.same(readdirSync(place.above), before)
  t.notOk(existsSync('/tmp/tcp-pipe-escaped'))
  await isAlive(t, place, 'b')
})

t.test('a hello whose facts are wrong or huge is refused in words (H-13)', async t => {
  const place = await target(t)
  for (const facts of [
    { id: 'short' },
    { secret: 'X'.repeat(32) },
    { secret: undefined },
    { window: 0 },
    { window: 1e300 },
    { window: -1 },
    { size: 2 ** 53 },
    { size: -1 },
    { size: '5' },
    { mode: 0o10000 },
    { mtime: 1e300 },
    { kind: 'other' },
    { received: 1.5 },
    { again: 1 },
    { name: 5 },
    { name: 'é'.repeat(2049) },
  ]) {
    const said = await bounded(rawDialler(t, place.port, transfer(facts)).refusal(), 'a refusal')
    t.match(said, new RegExp(`^the peer sent a frame of type hello whose field ${Object.keys(facts)[0]} is invalid$`))
  }
  const large = Buffer.alloc(headerBytes)
  encodeFrame('hello', 0, Buffer.alloc(1)).copy(large, 0, 0, headerBytes)
  large.writeUInt32BE(65537, 4)
  await bounded(rawDialler(t, place.port, large).closed(), 'the end')
  await isAlive(t, place, 'b')
})

t.test('nobody takes a session over without its secret, nor the file of one (H-14)', async t => {
  const place = await target(t)
  const owner = rawDialler(t, place.port, transfer({ size: 4 }))
  await owner.got('welcome')
  owner.socket.write(dataFrame(0, 'da'))
  for (const facts of [{ again: true }, { restart: true }, {}]) {
    const thief = rawDialler(t, place.port, transfer({ secret: 'ff'.repeat(16), ...facts }))
    t.equal(await bounded(thief.refusal(), 'a refusal'), 'the session belongs to another client')
  }
  const other = rawDialler(t, place.port, transfer({ id: id(1), secret: 'ff'.repeat(16) }))
  t.match(await bounded(other.refusal(), 'a refusal'), /is being written by another connection/, 'one name, one writer')
  owner.socket.write(Buffer.concat([dataFrame(2, 'ta'), endFrame('data')]))
  await owner.got('end')
  t.equal(String(readFileSync(join(place.inside, 'a'))), 'data')
})

t.test(
  'floods of hellos, of signs of life, and of sessions that never begin take little memory (H-15)',
  linux,
  async t => {
    const place = await target(t, '--max-connections', '50')
    await isAlive(t, place, 'a')
    const before = residentBytes(place.server.pid)
    const peers = Array.from({ length: 300 }, (_, number) =>
      rawDialler(t, place.port, transfer({ id: id(number), name: `f${number}`, window: 2 ** 53 - 1 })),
    )
    await eventually('all are answered', () => peers.every(({ frames, end }) => end.isClosed || frames.length > 0))
    t.equal(
      peers.filter(({ frames }) => frames.some(({ type }) => type === 'welcome')).length,
      50,
      'as many as have room',
    )
    const pings = Buffer.concat(Array.from({ length: 50_000 }, () => encodeFrame('ping')))
    for (const { socket, end } of peers.slice(0, 50)) if (!end.isClosed) socket.write(pings)
    const one = peers.find(({ end }) => !end.isClosed) as RawPeer
    for (let i = 0; i < 20; i++) await new Promise(resolve => one.socket.write(pings, resolve))
    const grown = residentBytes(place.server.pid) - before
    t.ok(grown < 96 * mebibyte, `${grown} bytes`)
    for (const { socket } of peers) socket.destroy()
  },
)

t.test('a client that never reads has its window, and no more memory (H-16)', linux, async t => {
  const server = await serve(t, ['reliable://0', '--reply'], { faults: null, timeout: 60_000 })
  const before = residentBytes(server.pid)
  const peers = Array.from({ length: 4 }, (_, number) =>
    rawDialler(t, server.port, helloFrame({ id: id(number), window: 2 ** 40 })),
  )
  await Promise.all(peers.map(peer => peer.got('welcome')))
  for (const { socket } of peers) socket.pause()
  const block = Buffer.alloc(64 * 1024)
  await Promise.all(
    peers.map(async ({ socket }) => {
      for (let at = 0; at < 64 * mebibyte; at += block.length)
        if (!socket.write(dataFrame(at, block)) && !(await drains(socket))) return
    }),
  )
  const grown = residentBytes(server.pid) - before
  t.ok(grown < 4 * 24 * mebibyte, `${grown} bytes for 4 clients`)
})

/** Whether the socket takes more within a second. */
function drains(socket: RawPeer['socket']): Promise<boolean> {
  return new Promise(resolve => {
    const timer = setTimeout(() => resolve(false), 1000)
    socket.once('drain', () => {
      clearTimeout(timer)
      resolve(true)
    })
  })
}
