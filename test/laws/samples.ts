/** For each transform how the laws call it, and on what. */
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { noise, zstdSync } from './support.js'

export interface Sample {
  /** As in a pipeline; `FILE` stands for the path of a file that no other run uses. */
  spec: string
  /** An input that it takes, of about so many bytes before it is packed; another seed, another input. */
  input(size: number, seed: number): Buffer
  /** The code of the error that it ends with if nothing comes. Default: it ends well. */
  empty?: string
  /** It ends before its input does, and drops the rest. */
  stops?: boolean
}

export const samples: Record<string, Sample[]> = {
  base64: [
    { spec: 'base64', input: noise },
    { spec: 'base64 width=75 url=true', input: text },
  ],
  brotli: [{ spec: 'brotli', input: noise }],
  buffer: [
    { spec: 'buffer 300k', input: noise },
    { spec: 'buffer 1', input: text },
  ],
  'buffer-to-string': [
    { spec: 'buffer-to-string', input: text },
    { spec: 'buffer-to-string gb18030', input: text },
    { spec: 'buffer-to-string shift_jis', input: noise },
    { spec: 'buffer-to-string utf-16le', input: (size, seed) => Buffer.from(String(text(size, seed)), 'utf16le') },
  ],
  corrupt: [
    { spec: 'corrupt probability=0.2 seed=1', input: noise },
    { spec: 'corrupt on=g nth=2 bits=3 seed=2', input: text },
  ],
  counter: [{ spec: 'counter every=1ms', input: text }],
  crlf: [{ spec: 'crlf', input: text }],
  cut: [
    { spec: 'cut after=1500k', input: noise },
    { spec: 'cut on=xy nth=5', input: text, stops: true },
  ],
  deflate: [
    { spec: 'deflate', input: noise },
    { spec: 'deflate raw=true level=1', input: noise },
    { spec: 'deflate flush=true | inflate', input: noise },
  ],
  delay: [
    { spec: 'delay 0 max=100k', input: text },
    { spec: 'delay 1ms jitter=2ms max=256k', input: noise },
    { spec: 'delay 2ms max=256k on=g nth=2', input: text },
  ],
  digest: [{ spec: 'digest sha1', input: noise }],
  drop: [
    { spec: 'drop probability=0.3 block=500 seed=1', input: noise },
    { spec: 'drop on=x nth=2 block=7', input: text },
  ],
  dump: [
    { spec: 'dump file=FILE', input: noise },
    { spec: 'dump max=100 width=7 color=always file=FILE', input: text },
    { spec: 'dump text=true max=off file=FILE', input: noise },
    { spec: 'dump brief=true file=FILE', input: noise },
  ],
  escape: [
    { spec: 'escape', input: text },
    { spec: 'escape all=true', input: noise },
  ],
  exec: [{ spec: 'exec cat', input: noise }],
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
  head: [
    { spec: 'head 20', input: text, stops: true },
    { spec: 'head 9999999', input: text },
  ],
  hex: [
    { spec: 'hex', input: noise },
    { spec: 'hex width=7', input: text },
    { spec: 'hex plain=true', input: noise },
  ],
  inflate: [
    { spec: 'inflate', input: (size, seed) => deflateSync(noise(size, seed)), empty: 'ERR_INPUT' },
    { spec: 'inflate raw=true', input: (size, seed) => deflateRawSync(text(size, seed)), empty: 'ERR_INPUT' },
  ],
  json: [
    { spec: 'json', input: values },
    { spec: 'json pretty=true pick=a,b.c', input: values },
  ],
  lf: [{ spec: 'lf', input: (size, seed) => Buffer.from(String(text(size, seed)).replaceAll('a', '\r\n')) }],
  limit: [
    { spec: 'limit 1500k', input: noise }, // what comes behind its end is taken in and dropped
    { spec: 'limit 1000k after=500k', input: noise },
  ],
  logger: [{ spec: 'logger preview=10', input: text }],
  prefix: [{ spec: "prefix '{id} {number} '", input: text }],
  replace: [{ spec: "replace '([a-m])(.)' '$2$1'", input: text }],
  reset: [
    { spec: 'reset after=1500k', input: noise },
    { spec: 'reset on=DELETE', input: text },
  ],
  sample: [{ spec: 'sample 3', input: text }],
  skip: [{ spec: 'skip 20', input: text }],
  slice: [
    { spec: 'slice 777', input: text },
    { spec: 'slice 100k', input: noise },
    { spec: 'slice 777 probability=0.1 block=100 seed=4', input: noise },
  ],
  stall: [
    { spec: 'stall after=1500k', input: noise },
    { spec: 'stall probability=0.05 block=10k seed=3 for=1ms', input: text },
  ],
  tee: [{ spec: 'tee FILE', input: noise }],
  throttle: [
    { spec: 'throttle 64m', input: noise },
    { spec: 'throttle 64m on=xy', input: text },
  ],
  unbase64: [
    { spec: 'unbase64', input: (size, seed) => Buffer.from(noise(size, seed).toString('base64')) },
    {
      spec: 'unbase64',
      input: (size, seed) => Buffer.from(noise(size, seed).toString('base64url').replace(/.{75}/g, '$&\r\n')),
    },
  ],
  unbrotli: [
    {
      spec: 'unbrotli',
      input: (size, seed) => brotliCompressSync(noise(size, seed), { params: { 1: 1 } }),
      empty: 'ERR_INPUT',
    },
  ],
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
  unzstd: [
    { spec: 'unzstd', input: (size, seed) => zstdSync(noise(size, seed)), empty: 'ERR_INPUT' },
    {
      spec: 'unzstd ratio=100000',
      input: (size, seed) => Buffer.concat([zstdSync(text(size >> 1, seed)), zstdSync(text(size >> 1, seed))]),
      empty: 'ERR_INPUT',
    },
  ],
  zstd: [
    { spec: 'zstd', input: noise },
    { spec: 'zstd flush=true | unzstd', input: noise },
  ],
}

/** Lines of characters of 1 to 4 bytes, some of them empty or with a CR; from 10,000 characters on it repeats itself. */
export function text(size: number, seed: number): Buffer {
  const letters = [...'abcdefgxyz üß€漢😀\r\n']
  const chosen = Array.from(noise(Math.min(size, 10_000), seed), byte => letters[byte % letters.length])
  return Buffer.from(chosen.join('').repeat(Math.ceil(size / 10_000)))
}

/** JSON values, some of them over several lines, some scalars; from 10,000 bytes on it repeats itself. */
function values(size: number, seed: number): Buffer {
  const shown: string[] = []
  for (const byte of noise(Math.min(size, 10_000) / 20, seed)) {
    const value = byte % 5 === 0 ? `text ${byte} "😀"` : { a: byte, b: [{ c: byte % 3 === 0 }, null], d: `${byte}` }
    shown.push(JSON.stringify(value, null, byte % 2))
  }
  return Buffer.from(`${shown.join('\n')}\n`.repeat(Math.ceil(size / 10_000)))
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
