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
  'buffer-to-string': [
    { spec: 'buffer-to-string', input: text },
    { spec: 'buffer-to-string utf-16le', input: (size, seed) => Buffer.from(String(text(size, seed)), 'utf16le') },
  ],
  counter: [{ spec: 'counter every=1ms', input: text }],
  digest: [{ spec: 'digest sha1', input: noise }],
  exec: [{ spec: 'exec cat', input: noise }],
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
  logger: [{ spec: 'logger preview=10', input: text }],
  tee: [{ spec: 'tee FILE', input: noise }],
  throttle: [{ spec: 'throttle 64m', input: noise }],
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
