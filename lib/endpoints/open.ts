/** Opens an address of any scheme as a leg, a source or a sink. */
import { Writable } from 'node:stream'
import { TcpPipeError } from '../text/errors.js'
import { wrongPlaceholder } from '../text/template.js'
import { type Address, can, endpointFor, endpointOf, formatAddress } from './address.js'
import type { DialOptions, Leg, SessionSide, Sink, SinkContext, Source } from './endpoint.js'
import { type SourceInput, toSource } from './source.js'

/** Connects. The stream of the leg stays paused until it is piped. */
export async function dial(address: Address, options: DialOptions = {}): Promise<Leg> {
  return endpointFor('dial', address).dial(address, options)
}

/** Loads what connections to the address need, so that no file has to be opened for the first one. */
export async function loadFor(address: Address | undefined): Promise<void> {
  if (address) await endpointOf(address).load?.()
}

/** Opens a source from data of any kind or from an address. Throws `ERR_OPTION` or `ERR_ADDRESS`. */
export function openSource(input: SourceInput | Address): Source {
  return isAddress(input) ? sourceAt(input) : toSource(input)
}

function isAddress(input: SourceInput | Address): input is Address {
  return typeof input === 'object' && input !== null && 'scheme' in input
}

/** Opens the address as a source. Throws `ERR_ADDRESS` if the address is not readable. */
export function sourceAt(address: Address): Source {
  return endpointFor('source', address).source(address)
}

/** Throws `ERR_ADDRESS` if the address is not writable, or its file name has a wrong placeholder. */
export function checkSink(address: Address): void {
  endpointFor(can('dial', address) ? 'dial' : 'sink', address)
  const wrong = address.scheme === 'file' ? wrongPlaceholder(address.path) : undefined
  if (wrong) throw new TcpPipeError('ERR_ADDRESS', `'${formatAddress(address)}': ${wrong}`)
}

/** Rejects if the address can be no sink now, such as a file that exists. Opens nothing. */
export async function checkOutput(address: Address): Promise<void> {
  if (!can('dial', address)) await endpointFor('sink', address).checkSink?.(address)
}

/** Opens the address as a sink: dials a peer, or opens a file. */
export async function sinkTo(address: Address, connection: SinkContext, options: DialOptions): Promise<Sink> {
  if (can('dial', address)) return dialSink(address, options)
  return endpointFor('sink', address).sink(address, connection, options.signal)
}

/**
 * Creates a sink that sends to an address. After it connects, it has no timeout. It finishes when the peer ends after
 * our end, and so can have taken everything. An earlier end proves nothing: if there is data, the sink fails. It counts
 * and drops the data that the peer sends.
 */
async function dialSink(address: Address, options: DialOptions): Promise<Sink> {
  const leg = await dial(address, options)
  const { stream } = leg
  let isUsed = false
  const ended = new Promise<void>((resolve, reject) => {
    stream.once('end', () => {
      if (stream.errored) return
      if (isUsed && !stream.writableEnded) reject(earlyEnd(address))
      else resolve()
    })
    stream.once('error', reject)
    stream.once('close', () =>
      reject(new TcpPipeError('ERR_TARGET', `${formatAddress(address)} closed the connection`)),
    )
  })
  ended.catch(error => sink.destroy(error))
  stream.on('error', error => sink.destroy(error)) // also after its end
  stream.resume()
  const sink: Sink = new Writable({
    write(chunk, encoding, callback) {
      isUsed = true
      if (stream.readableEnded) callback(earlyEnd(address))
      else stream.write(chunk, encoding, callback)
    },
    final(callback) {
      afterReading(() => {
        stream.end()
        ended.then(() => callback(), callback)
      })
    },
    destroy(error, callback) {
      if (error) leg.reset(error)
      else stream.destroy()
      callback(error)
    },
  })
  const { session } = leg
  return Object.assign(sink, {
    leg,
    ...(session && { onKept: keptBy(session) }),
    report: () => ({ to: formatAddress(address), answered: leg.bytes.in }),
  })
}

/** Only a session tells what its peer has on its disk. Of another peer, that is known at its end. */
function keptBy(session: SessionSide): NonNullable<Sink['onKept']> {
  return callback => {
    session.onDurable = callback
  }
}

/** Calls `work` when what has already come has been read, such as an end: the event loop polls between two immediates. */
function afterReading(work: () => void): void {
  setImmediate(() => setImmediate(work))
}

function earlyEnd(address: Address): TcpPipeError {
  const why = 'so it cannot confirm that it has taken everything'
  return new TcpPipeError('ERR_TARGET', `${formatAddress(address)} ended before the data did, ${why}`)
}
