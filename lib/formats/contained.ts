import { errorMessage } from '../text/errors.js'
import type { Container, Wanted } from './containers.js'
import type { Engine, Take } from './decompressor.js'
import { Inflater } from './inflater.js'
import { inputError } from './zlib-engine.js'

/** Reads deflate data and what stands around them, for `decompressor`. zlib gets nothing but the data. */
export function contained(container: Container): (take: Take) => Engine {
  return take => {
    const { name, checksum, initial } = container
    const content = { checksum: initial, size: 0 }
    const layout = container.read(content)
    const inflater = new Inflater(output)
    let around = 0 // bytes that are no data
    let wanted = layout.next(0).value as Wanted

    function output(block: Buffer): void {
      content.checksum = checksum(block, content.checksum)
      content.size += block.length
      take(block)
    }

    function next(byte: number): void {
      wanted = layout.next(byte).value as Wanted
      if (wanted === 'data') Object.assign(content, { checksum: initial, size: 0 })
    }

    async function write(chunk: Buffer): Promise<void> {
      let rest = readAround(chunk)
      while (rest.length > 0) {
        const behind = await inflater.read(rest).catch(fail)
        if (!behind) return
        next(0)
        rest = readAround(behind)
      }
    }

    function readAround(bytes: Buffer): Buffer {
      let at = 0
      while (at < bytes.length && wanted !== 'data') next(bytes[at++] as number)
      around += at
      return bytes.subarray(at)
    }

    async function end(): Promise<void> {
      if (wanted === 'data') {
        await inflater.end().catch(fail)
        next(0)
      }
      if (wanted !== 'byte or end') throw inputError(name, 'unexpected end of file')
    }

    function fail(cause: Error): never {
      throw inputError(name, errorMessage(cause), cause)
    }

    return {
      get bytesRead() {
        return around + inflater.bytesRead
      },
      write,
      end,
      pause: () => inflater.pause(),
      resume: () => inflater.resume(),
      destroy: () => inflater.destroy(),
    }
  }
}
