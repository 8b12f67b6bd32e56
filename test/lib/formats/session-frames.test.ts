import fc from 'fast-check'
import t from 'tap'
import { crc32 } from '../../../lib/formats/checksums.js'
import {
  encodeDataHeader,
  encodeFrame,
  type Frame,
  FrameReader,
  frameFlags,
  headerBytes,
  maxPayload,
  otherVersion,
  prefaceBytes,
  prefaces,
  sessionVersion,
} from '../../../lib/formats/session-frames.js'
import { noise } from '../../laws/support.js'
import { cutAt, cutEvery, cuts, memoryInUse } from '../pipes.js'

/** What a reader finds, in words. Adjacent pieces of streamed data are one. */
function readAll(chunks: readonly Buffer[], isOpen = (_: readonly string[]) => true): string[] {
  const found: string[] = []
  let streamed: { at: number; next: number; hex: string } | undefined
  const flush = () => {
    if (streamed) found.push(`data ${streamed.at} ${streamed.hex}`)
    streamed = undefined
  }
  const reader = new FrameReader({
    frame({ type, flags, offset, payload }) {
      flush()
      found.push(`${type} ${flags} ${offset} ${payload.toString('hex')}`)
    },
    data(offset, bytes, isChecked) {
      if (!isChecked && streamed?.next === offset) {
        streamed.hex += bytes.toString('hex')
        streamed.next += bytes.length
        return
      }
      flush()
      if (isChecked) found.push(`checked ${offset} ${bytes.toString('hex')}`)
      else streamed = { at: offset, next: offset + bytes.length, hex: bytes.toString('hex') }
    },
  })
  for (const chunk of chunks) reader.push(chunk, () => isOpen(found))
  flush()
  return found
}

function dataFrame(offset: number, bytes: Buffer, isChecked: boolean): Buffer {
  return Buffer.concat([encodeDataHeader(offset, [bytes], isChecked), bytes])
}

/** Frames as another implementation has to write them. The last field of each header is the CRC-32. */
const golden = [
  ['hello', encodeFrame('hello', 0, Buffer.from('{}')), '01000000 00000002 0000000000000000 325a6dd1 7b7d'],
  ['welcome', encodeFrame('welcome', 5, Buffer.from('{}')), '02000000 00000002 0000000000000005 de177258 7b7d'],
  ['data', dataFrame(6, Buffer.from('abc'), false), '03000000 00000003 0000000000000006 159d6657 616263'],
  ['checked data', dataFrame(6, Buffer.from('abc'), true), '03010000 00000003 0000000000000006 0e9cecdb 616263'],
  ['check', encodeFrame('check', 9, Buffer.from('{}')), '04000000 00000002 0000000000000009 d97137b9 7b7d'],
  ['ack', encodeFrame('ack', 9, Buffer.alloc(8, 1)), '05000000 00000008 0000000000000009 4ad23527 0101010101010101'],
  [
    'ack of the end',
    encodeFrame('ack', 9, Buffer.alloc(8), frameFlags.ended),
    '05010000 00000008 0000000000000009 9a222249 0000000000000000',
  ],
  ['end', encodeFrame('end', 2 ** 53 - 1), '06000000 00000000 001fffffffffffff dea78235'],
  [
    'error',
    encodeFrame('error', 0, Buffer.from('{"code":"failed"}')),
    '07000000 00000011 0000000000000000 8e848544 7b22636f6465223a226661696c6564227d',
  ],
  ['ping', encodeFrame('ping'), '08000000 00000000 0000000000000000 9fa8d41a'],
  [
    'ping that asks',
    encodeFrame('ping', 0, undefined, frameFlags.asked),
    '08010000 00000000 0000000000000000 26530ff2',
  ],
] as const

const all = Buffer.concat(golden.map(([, bytes]) => bytes))

t.test('the bytes of each frame', async t => {
  for (const [title, bytes, hex] of golden) t.equal(bytes.toString('hex'), hex.replaceAll(' ', ''), title)
  const parts = [Buffer.from('a'), Buffer.from('bc')]
  t.same(encodeDataHeader(6, parts, true), encodeDataHeader(6, [Buffer.concat(parts)], true), 'data in parts')
})

t.test('the prefaces, which differ, and those of other versions', async t => {
  t.equal(prefaces.listener.toString('latin1'), '\x89TCPP1\r\n')
  t.equal(prefaces.dialler.toString('latin1'), '\x89tcpp1\r\n')
  t.same([prefaces.listener.length, prefaces.dialler.length], [prefaceBytes, prefaceBytes])
  t.equal(sessionVersion, 1)
  for (const [text, version] of [
    ['\x89TCPP2\r\n', '2'],
    ['\x89TCPP0\r\n', '0'],
    ['\x89TCPP1\r\n', undefined],
    ['\x89tcpp2\r\n', undefined],
    ['\x89TCPPx\r\n', undefined],
    ['\x89TCPP2\n\n', undefined],
    ['SSH-2.0-', undefined],
  ] as const)
    t.equal(otherVersion(Buffer.from(text, 'latin1'), prefaces.listener), version, JSON.stringify(text))
})

t.test('what is read is what was written', async t => {
  t.same(readAll([all]), [
    'hello 0 0 7b7d',
    'welcome 0 5 7b7d',
    'data 6 616263',
    'checked 6 616263',
    'check 0 9 7b7d',
    'ack 0 9 0101010101010101',
    'ack 1 9 0000000000000000',
    `end 0 ${2 ** 53 - 1} `,
    'error 0 0 7b22636f6465223a226661696c6564227d',
    'ping 0 0 ',
    'ping 1 0 ',
  ])
})

t.test('every cut of the input gives the same frames', async t => {
  const bytes = Buffer.concat([all, dataFrame(0, noise(5000), true), dataFrame(5000, noise(5000), false), all])
  const expected = readAll([bytes])
  for (const size of [1, 2, 3, 19, 20, 21, 22, 1000]) t.same(readAll(cutEvery(size, bytes)), expected, `each ${size}`)
  fc.assert(
    fc.property(cuts, positions => {
      t.same(readAll(cutAt(positions, bytes)), expected)
    }),
    { seed: 16, numRuns: 100 },
  )
})

t.test('data that is not checked is passed on as it arrives, other data when it is whole', async t => {
  const found: string[] = []
  const reader = new FrameReader({
    frame: ({ type }) => void found.push(type),
    data: (offset, bytes, isChecked) => void found.push(`${offset} ${bytes} ${isChecked}`),
  })
  for (const chunk of cutAt([22], dataFrame(6, Buffer.from('abc'), false))) reader.push(chunk, () => true)
  t.same(found.splice(0), ['6 ab false', '8 c false'])
  for (const chunk of cutAt([22], dataFrame(6, Buffer.from('abc'), true))) reader.push(chunk, () => true)
  t.same(found, ['6 abc true'])
})

t.test('the handler ends the reading', async t => {
  t.same(
    readAll([all, all], found => found.length < 2),
    ['hello 0 0 7b7d', 'welcome 0 5 7b7d'],
  )
})

/** Changes the header, and writes a checksum that fits. */
function changed(bytes: Buffer, change: (header: Buffer) => void): Buffer {
  const copy = Buffer.from(bytes)
  change(copy)
  copy.writeUInt32BE(crc32(copy.subarray(0, 16), 0), 16)
  return copy
}

t.test('each wrong field is refused in words', async t => {
  const ping = encodeFrame('ping')
  const data = dataFrame(6, Buffer.from('abc'), false)
  const checked = dataFrame(6, Buffer.from('abc'), true)
  for (const [title, bytes, words] of [
    ['type 0', changed(ping, header => header.writeUInt8(0, 0)), 'a frame of an unknown type'],
    ['type 9', changed(ping, header => header.writeUInt8(9, 0)), 'a frame of an unknown type'],
    ['type 255', changed(ping, header => header.writeUInt8(255, 0)), 'a frame of an unknown type'],
    ['another flag', changed(ping, header => header.writeUInt8(2, 1)), 'a frame of an unknown type'],
    ['a reserved byte', changed(ping, header => header.writeUInt8(1, 2)), 'a frame of an unknown type'],
    ['the other one', changed(ping, header => header.writeUInt8(1, 3)), 'a frame of an unknown type'],
    [
      'an offset of 2^53',
      changed(ping, header => header.writeBigUInt64BE(2n ** 53n, 8)),
      'a ping frame whose offset is too large',
    ],
    [
      'the largest offset',
      changed(data, header => header.writeBigUInt64BE(2n ** 64n - 1n, 8)),
      'a data frame whose offset is too large',
    ],
    [
      'a long payload',
      changed(ping, header => header.writeUInt32BE(maxPayload.other + 1, 4)),
      'a ping frame of 65537 bytes; expected at most 65536',
    ],
    [
      'the longest payload',
      changed(ping, header => header.writeUInt32BE(2 ** 32 - 1, 4)),
      'a ping frame of 4294967295 bytes; expected at most 65536',
    ],
    [
      'much data',
      changed(data, header => header.writeUInt32BE(maxPayload.data + 1, 4)),
      'a data frame of 1048577 bytes; expected at most 1048576',
    ],
    [
      'much checked data',
      changed(checked, header => header.writeUInt32BE(maxPayload.data + 1, 4)),
      'a data frame of 1048577 bytes; expected at most 1048576',
    ],
    ['no data', dataFrame(6, Buffer.alloc(0), false), 'a data frame without data'],
    ['no checked data', dataFrame(6, Buffer.alloc(0), true), 'a data frame without data'],
    ['a checksum of data', flipped(data, 19 * 8), 'a data frame with a wrong checksum'],
    ['a checksum of checked data', flipped(checked, 19 * 8), 'a data frame with a wrong checksum'],
    ['checked data', flipped(checked, 20 * 8), 'a data frame with a wrong checksum'],
    ['a payload', flipped(encodeFrame('check', 1, Buffer.from('{}')), 20 * 8), 'a check frame with a wrong checksum'],
    ['an empty frame', flipped(ping, 19 * 8), 'a ping frame with a wrong checksum'],
  ] as const)
    t.throws(() => readAll([bytes]), { code: 'ERR_SESSION', message: `the peer sent ${words}` }, title)
})

t.test('the largest payloads are accepted', async t => {
  const json = noise(maxPayload.other)
  const data = noise(maxPayload.data)
  t.same(readAll([encodeFrame('hello', 0, json)]), [`hello 0 0 ${json.toString('hex')}`])
  t.same(readAll(cutEvery(70_000, dataFrame(1, data, true))), [`checked 1 ${data.toString('hex')}`])
  t.same(readAll(cutEvery(70_000, dataFrame(1, data, false))), [`data 1 ${data.toString('hex')}`])
})

function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7))
  return copy
}

t.test('a flipped bit is found, wherever it is, except in data that is checked later', async t => {
  for (const [title, bytes] of golden) {
    const end = title === 'data' ? headerBytes : bytes.length
    for (let bit = 0; bit < end * 8; bit++) {
      let found: string[] = []
      try {
        found = readAll([flipped(bytes, bit)])
      } catch (error) {
        t.match(error, { code: 'ERR_SESSION' })
      }
      if (found.length > 0) t.fail(`${title}, bit ${bit}: ${found}`)
    }
  }
})

t.test('no memory is taken for a length that is announced', async t => {
  const ignore = { frame(_: Frame) {}, data() {} }
  const header = encodeDataHeader(0, [Buffer.alloc(maxPayload.data)], true)
  const before = memoryInUse()
  const readers = Array.from({ length: 1000 }, () => {
    const reader = new FrameReader(ignore)
    reader.push(Buffer.concat([header, Buffer.alloc(1)]), () => true)
    return reader
  })
  t.equal(readers.length, 1000)
  const used = memoryInUse() - before
  t.ok(used < 20e6, `${used} bytes for 1,000 MiB that were announced`)
})

t.test('a payload that arrives byte by byte takes memory in proportion', async t => {
  const found: Buffer[] = []
  const reader = new FrameReader({ frame() {}, data: (_, bytes) => void found.push(bytes) })
  const bytes = dataFrame(0, noise(maxPayload.data), true)
  const before = memoryInUse()
  for (let i = 0; i < bytes.length - 1; i++) reader.push(Buffer.from(bytes.subarray(i, i + 1)), () => true)
  let used = memoryInUse() - before
  for (let i = 0; i < 20 && used >= 8e6; i++) {
    await new Promise(resolve => setImmediate(resolve)) // buffers are freed by another thread
    used = memoryInUse() - before
  }
  t.ok(used < 8e6, `${used} bytes`)
  reader.push(bytes.subarray(-1), () => true)
  t.ok(found[0]?.equals(noise(maxPayload.data)))
})
