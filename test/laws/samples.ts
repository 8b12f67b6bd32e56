/** For each transform how the laws call it, and on what. */
import { gzipSync } from 'node:zlib'
import { noise } from './support.js'

export interface Sample {
  /** As in a pipeline; `FILE` stands for the path of a file that no other run uses. */
  spec: string
  /** An input that it takes, of about so many bytes before it is packed; another seed, another input. */
  input(size: number, seed: number): Buffer
  /** The code of the error that it ends with if nothing comes. Default: it ends well. */
  empty?: string
}

export const samples: Record<string, Sample[]> = {
  buffer: [
    { spec: 'buffer 300k', input: noise },
    { spec: 'buffer 1', input: text },
  ],
  'buffer-to-string': [
    { spec: 'buffer-to-string', input: text },
    { spec: 'buffer-to-string utf-16le', input: (size, seed) => Buffer.from(String(text(size, seed)), 'utf16le') },
  ],
  counter: [{ spec: 'counter every=1ms', input: text }],
  delay: [
    { spec: 'delay 0 max=100k', input: text },
    { spec: 'delay 1ms jitter=2ms max=256k', input: noise },
  ],
  digest: [{ spec: 'digest sha1', input: noise }],
  frame: [
    { spec: 'frame u32be', input: text },
    { spec: 'frame varint size=777', input: noise },
    { spec: "frame delimiter='\\r||'", input: text },
  ],
  grep: [
    { spec: 'grep /[a-m]/', input: text },
    { spec: 'grep 😀 invert=true', input: noise },
  ],
  gunzip: [
    { spec: 'gunzip', input: (size, seed) => gzipSync(noise(size, seed)), empty: 'ERR_INPUT' },
    { spec: 'gunzip ratio=1100', input: (size, seed) => gzipSync(Buffer.alloc(4 * size, seed)), empty: 'ERR_INPUT' },
  ],
  gzip: [
    { spec: 'gzip', input: noise },
    { spec: 'gzip level=1', input: noise },
  ],
  hex: [
    { spec: 'hex', input: noise },
    { spec: 'hex width=7', input: text },
    { spec: 'hex plain=true', input: noise },
  ],
  limit: [{ spec: 'limit 1500k', input: noise }], // what comes behind its end is taken in and dropped
  logger: [{ spec: 'logger preview=10', input: text }],
  slice: [
    { spec: 'slice 7', input: text },
    { spec: 'slice 100k', input: noise },
  ],
  tee: [{ spec: 'tee FILE', input: noise }],
  throttle: [{ spec: 'throttle 64m', input: noise }],
  unframe: [
    {
      spec: 'unframe u8',
      input: (size, seed) => Buffer.from(framed(size, seed).toString('latin1').replaceAll('\n', ' '), 'latin1'),
    },
    { spec: 'unframe varint raw=true', input: framed },
    { spec: "unframe delimiter='g\\x78' raw=true", input: text },
  ],
  unhex: [
    { spec: 'unhex', input: dump },
    {
      spec: 'unhex',
      input: (size, seed) => Buffer.from(noise(size, seed).toString('hex').replace(/.{60}/g, '$&\r\n')),
    },
  ],
}

/** Lines of characters of 1 to 4 bytes, some of them empty or with a CR; from 10,000 characters on it repeats itself. */
function text(size: number, seed: number): Buffer {
  const letters = [...'abcdefgxyz üß€漢😀\r\n']
  const chosen = Array.from(noise(Math.min(size, 10_000), seed), byte => letters[byte % letters.length])
  return Buffer.from(chosen.join('').repeat(Math.ceil(size / 10_000)))
}

/** Frames of 99 bytes behind their length in a byte. */
function framed(size: number, seed: number): Buffer {
  const frame = Buffer.concat([Buffer.of(99), noise(99, seed)])
  return Buffer.alloc(Math.ceil(size / 100) * 100, frame)
}

function dump(size: number, seed: number): Buffer {
  const bytes = noise(size, seed)
  const name = (offset: number) => offset.toString(16).padStart(8, '0')
  let lines = ''
  for (let at = 0; at < size; at += 16) {
    const row = bytes.toString('hex', at, Math.min(size, at + 16))
    lines += `${name(at)}  ${row.replace(/../g, '$& ')} |text|\n`
  }
  return Buffer.from(`${lines}${name(size)}\n`)
}
