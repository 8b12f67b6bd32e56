/** Opens what an address of any scheme stands for: a leg, a source or a sink. */
import { Writable } from 'node:stream'
import { TcpPipeError } from '../text/errors.js'
import { type Address, can, endpointFor, formatAddress } from './address.js'
import type { DialOptions, Leg, Sink, SinkContext, Source } from './endpoint.js'
import { type SourceInput, toSource } from './source.js'

/** Connects. The stream of the leg is paused until it is piped. */
export async function dial(address: Address, options: DialOptions = {}): Promise<Leg> {
  return endpointFor('dial', address).dial(address, options)
}

/** What is sent: data of any kind, or what is read at an address. Throws `ERR_OPTION` or `ERR_ADDRESS`. */
export function openSource(input: SourceInput | Address): Source {
  return isAddress(input) ? sourceAt(input) : toSource(input)
}

function isAddress(input: SourceInput | Address): input is Address {
  return typeof input === 'object' && input !== null && 'scheme' in input
}

/** What is read at the address. Throws `ERR_ADDRESS` if nothing can be read there. */
export function sourceAt(address: Address): Source {
  return endpointFor('source', address).source(address)
}

/** Throws `ERR_ADDRESS` if nothing can be sent to the address. */
export function checkSink(address: Address): void {
  endpointFor(can('dial', address) ? 'dial' : 'sink', address)
}

/** A sink at an address: a peer that is dialled, or a file or the like. */
export async function sinkTo(address: Address, connection: SinkContext, options: DialOptions): Promise<Sink> {
  return can('dial', address) ? dialSink(address, options) : endpointFor('sink', address).sink(address, connection)
}

/**
 * A sink that sends to an address, with no timeout of its own once it is connected. It finishes when the other end has
 * ended; what that one answers is counted and dropped.
 */
async function dialSink(address: Address, options: DialOptions): Promise<Sink> {
  const leg = await dial(address, options)
  const { stream } = leg
  const ended = new Promise<void>((resolve, reject) => {
    stream.once('end', () => stream.errored || resolve())
    stream.once('error', reject)
    stream.once('close', () =>
      reject(new TcpPipeError('ERR_TARGET', `${formatAddress(address)} closed the connection`)),
    )
  })
  ended.catch(error => sink.destroy(error))
  stream.on('error', error => sink.destroy(error)) // also behind its end
  stream.resume()
  const sink: Sink = new Writable({
    write: (chunk, encoding, callback) => void stream.write(chunk, encoding, callback),
    final(callback) {
      stream.end()
      ended.then(() => callback(), callback)
    },
    destroy(error, callback) {
      if (error) leg.reset(error)
      else stream.destroy()
      callback(error)
    },
  })
  return Object.assign(sink, { leg, report: () => ({ to: formatAddress(address), answered: leg.bytes.in }) })
}
