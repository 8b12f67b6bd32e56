import { Duplex, finished } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { blockBytes, bytes, defineTransform, integer } from '../lib/define.js'
import { TcpPipeError } from '../lib/errors.js'

/** Decompresses gzip (RFC 1952), with caps on the output. */
export const gunzip = defineTransform({
  name: 'gunzip',
  summary: 'decompress the gzip format',
  group: 'convert',
  unit: 'bytes',
  options: {
    max: bytes('the most output; default: no cap', { min: 1 }),
    ratio: integer('the most bytes of output for a byte of input, once there are 16 MiB', {
      min: 1,
      max: 1100,
      default: 250,
    }),
  },
  example: { spec: 'gzip level=1 | gunzip', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'The format is that of RFC 1952: one member or several, zero bytes behind the last one as padding. Input that ends ' +
    'early, even before its first byte, is an error as for `gzip -d`, and so is anything else behind the last member.\n\n' +
    'A bomb of zeros is stopped by `ratio`; text rarely comes to 20. An image of a disk that is mostly empty may pass ' +
    '250: give `ratio=1100`, which the format cannot reach. The size as such is not limited unless `max` says so.',
  create({ max, ratio }) {
    return decompressor(size => {
      if (max !== undefined && size.output > max) throw overLimit(`more than max, ${max} bytes, of output`)
      if (size.output > freeOutput && size.output > ratio * size.input)
        throw overLimit(`${size.input} bytes gave ${size.output}, more than ratio, ${ratio}, for each`)
    })
  },
})

/** Output below this is never a bomb. */
const freeOutput = 16 * 1024 * 1024

interface Size {
  input: number
  output: number
}

/** Calls `check` with each block of output: in a stream zlib's own `maxOutputLength` does nothing. */
function decompressor(check: (size: Size) => void): Duplex {
  const inner = createGunzip({ chunkSize: blockBytes })
  let output = 0
  let padding = false // zlib has left something unread: the last member is over

  const stream = new Duplex({
    readableHighWaterMark: blockBytes,
    write(chunk: Buffer, _encoding, callback) {
      if (padding) return callback(checkPadding(chunk))
      const before = inner.bytesWritten
      inner.write(chunk, error => {
        if (error || inner.destroyed) return // what went wrong comes as an event
        const rest = chunk.subarray(inner.bytesWritten - before)
        padding = rest.length > 0
        callback(checkPadding(rest))
      })
    },
    final(callback) {
      inner.end()
      finished(inner, error => {
        if (error) return
        stream.push(null)
        callback()
      })
    },
    read() {
      inner.resume()
    },
    destroy(error, callback) {
      inner.destroy()
      callback(error)
    },
  })
  inner.on('error', error =>
    stream.destroy(new TcpPipeError('ERR_INPUT', `gunzip: ${error.message}`, { cause: error })),
  )
  inner.on('data', (chunk: Buffer) => {
    output += chunk.length
    try {
      check({ input: inner.bytesWritten, output })
      if (!stream.push(chunk)) inner.pause()
    } catch (error) {
      stream.destroy(error as Error)
    }
  })
  return stream
}

function checkPadding(rest: Buffer): TcpPipeError | null {
  if (rest.every(byte => byte === 0)) return null
  return new TcpPipeError('ERR_INPUT', 'gunzip: there is something else behind the last member')
}

function overLimit(message: string): TcpPipeError {
  return new TcpPipeError('ERR_OUTPUT_LIMIT', `gunzip: ${message}`)
}
