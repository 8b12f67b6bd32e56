import { createHash, getHashes } from 'node:crypto'
import { defineTransform, text } from '../lib/stages/define.js'

/** Logs the hash of all bytes at the end; the bytes pass unchanged. */
export const digest = defineTransform({
  name: 'digest',
  summary: 'log the hash of all bytes',
  group: 'inspect',
  unit: 'bytes',
  options: {
    algorithm: text("name of the hash algorithm, such as 'sha512' or 'md5'", {
      positional: true,
      default: 'sha256',
      allowed: "a name from Node's crypto.getHashes()",
      check: isHash,
    }),
  },
  example: { spec: 'digest', input: 'abc', output: 'abc' },
  notes:
    'At the end it logs `{ algorithm, digest, bytes }`, with the digest in hex. With `digest` at both ends, the two lines ' +
    'show the same if both have read the same bytes. A connection that fails logs no digest.',
  create({ algorithm }, context) {
    const hash = createHash(algorithm, lengthOf(algorithm))
    let bytes = 0

    function write(chunk: Buffer): Buffer {
      hash.update(chunk)
      bytes += chunk.length
      return chunk
    }

    function flush(): void {
      const direction = context.connection?.direction
      context.log.info({ direction, algorithm: algorithm.toLowerCase(), digest: hash.digest('hex'), bytes }, 'digest')
    }

    return { write, flush, memory: 'passes' }
  },
})

/** For the functions whose output has any length: as long as OpenSSL's default, which Node.js wants to be told. */
function lengthOf(algorithm: string): { outputLength: number } | undefined {
  const [, bits] = /^shake-?(128|256)$/i.exec(algorithm) ?? []
  return bits === undefined ? undefined : { outputLength: Number(bits) / 8 }
}

function isHash(name: string): boolean {
  return getHashes().some(hash => hash.toLowerCase() === name.toLowerCase())
}
