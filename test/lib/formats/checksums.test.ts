import { deflateSync, gzipSync } from 'node:zlib'
import t from 'tap'
import { adler32, byteCrc32, crc32, crc32c, crc32Of } from '../../../lib/formats/checksums.js'
import { noise } from '../../laws/support.js'

const tableCrc32 = crc32Of({})
const inputs = [0, 1, 7, 8, 9, 2047, 2048, 2049, 100_001].map(size => noise(size).subarray(0, size))
const highest = Buffer.alloc(100_000, 0xff)

t.test('CRC-32 is that of gzip, with and without zlib', async t => {
  for (const input of [...inputs, highest]) {
    const expected = gzipSync(input).readUInt32LE(gzipSync(input).length - 8)
    for (const checksum of [crc32, tableCrc32])
      t.equal(checksum(input, 0), expected, `${checksum.name} ${input.length}`)
  }
  t.equal(byteCrc32(0x61, 0), crc32(Buffer.from('a'), 0))
})

t.test('CRC-32C is that of RFC 3720, B.4', async t => {
  t.equal(crc32c(Buffer.alloc(0)), 0)
  t.equal(crc32c(Buffer.from('123456789')), 0xe3069283)
  t.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa)
  t.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43)
})

t.test('Adler-32 is that of zlib', async t => {
  for (const input of [...inputs, highest]) {
    const packed = deflateSync(input)
    t.equal(adler32(input, 1), packed.readUInt32BE(packed.length - 4), `${input.length}`)
  }
})

t.test('they continue', async t => {
  const input = noise(10_000)
  for (const [checksum, initial] of [
    [crc32, 0],
    [tableCrc32, 0],
    [adler32, 1],
  ] as const)
    for (const at of [1, 5, 4096])
      t.equal(
        checksum(input.subarray(at), checksum(input.subarray(0, at), initial)),
        checksum(input, initial),
        `${checksum.name} ${at}`,
      )
})
