/** The sinks beside the main one, as options: what they may be, and their defaults. */
import { join, resolve } from 'node:path'
import type { Writable } from 'node:stream'
import type { WebWritable } from '../../formats/web.js'
import { either } from '../../text/either.js'
import { errorMessage, TcpPipeError } from '../../text/errors.js'
import { optionName } from '../../text/option-name.js'
import { checkValues } from '../../text/values.js'
import { type Address, type AddressInput, can, formatAddress, isAddressInput, toAddress } from '../address.js'
import { checkFileSink } from '../file/file-sink.js'
import { checkOutput, checkSink } from '../open.js'
import { toWritable } from '../sink.js'
import { longestPath } from '../unix.js'
import { lockLength } from './spool/folder.js'
import type { SpoolOptions } from './spool/spool.js'

/** What happens when a further sink is slower than its source. */
export const slowPolicies = ['block', 'drop', 'spool'] as const

/** What happens when a further sink fails. */
export const failPolicies = ['continue', 'end'] as const

export type SlowPolicy = (typeof slowPolicies)[number]
export type FailPolicy = (typeof failPolicies)[number]

/** A sink beside the main one. */
export interface Also {
  /** An address, or a stream that all connections share and that is never ended. */
  readonly to: Writable | WebWritable | AddressInput
  /**
   * If the sink is slow: `block` slows down the connection; `drop` drops what the sink does not take, whole lines if the
   * data are lines, and counts it; `spool` stores on the disk what an address does not take. Default: `block`.
   */
  readonly slow?: SlowPolicy | undefined
  /** If the sink fails: `continue` without it and with a warning, or `end` the connection. Default: `end`; with drop `continue`. */
  readonly fail?: FailPolicy | undefined
  /** Where to store the data, for `slow: 'spool'`. */
  readonly spool?: SpoolOptions | undefined
}

/** A checked one. */
export interface AlsoPlan {
  /** What the figures call it. */
  readonly name: string
  readonly to: Address | Writable
  readonly slow: SlowPolicy
  readonly fail: FailPolicy
  readonly spool?: SpoolOptions
  /** Counts what it has not taken in time. */
  readonly totals: Totals
}

/** What a further sink has not taken in time, in bytes. */
export interface Totals {
  readonly to: string
  dropped: number
  spooled: number
}

/**
 * Checks the further sinks of a server that listens on an address and sends to `main`, if that is an address. Opens nothing.
 *
 * @throws `ERR_OPTION` or `ERR_ADDRESS`
 */
export async function resolveAlso(
  also: readonly Also[] = [],
  listen?: Address | undefined,
  main?: Address | undefined,
): Promise<AlsoPlan[]> {
  if (!Array.isArray(also)) throw fault('expected a list of objects with the property to')
  const plans = also.map(planOf)
  const taken = new Set([listen, main].flatMap(each => (each && !isAnyPort(each) ? formatAddress(each) : [])))
  for (const { to, name, spool } of plans) {
    if (spool) await checkSpoolFolder(spool.folder)
    if (!('scheme' in to)) continue
    if (taken.has(name)) throw fault(`'${name}' is in use already: each sink needs a place of its own`)
    taken.add(name)
    await checkOutput(to).catch(error => {
      throw fault(errorMessage(error), error)
    })
  }
  return plans
}

function planOf(also: Also): AlsoPlan {
  checkValues(also, {})
  const { to, slow = 'block', fail = slow === 'drop' ? 'continue' : 'end' } = also
  checkChoice('slow', slow, slowPolicies)
  checkChoice('fail', fail, failPolicies)
  const spool = checkSpool(also)
  const planned = (name: string) => ({ name, slow, fail, totals: { to: name, dropped: 0, spooled: 0 } })
  if (!isAddressInput(to)) return { ...planned('stream'), to: toWritable(to, 'also') }
  const address = toAddress(to)
  checkSink(address)
  if (address.scheme === 'listen')
    throw fault(`'${formatAddress(address)}' is not allowed: a further sink waits for no client`)
  return { ...planned(formatAddress(address)), to: address, ...(spool && { spool }) }
}

function checkSpool({ to, slow, spool }: Also): SpoolOptions | undefined {
  if (slow !== 'spool') {
    if (spool) throw fault(`${optionName('spool')} needs a sink whose policy is spool`)
    return undefined
  }
  if (!isAddressInput(to) || !can('dial', toAddress(to)))
    throw fault('spool is for an address to connect to; a file or a stream is written as it is')
  checkValues(spool ?? {}, { folder: 'text', size: 'count' })
  if (!spool?.folder) throw fault(`the policy spool needs ${optionName('spool')}: the folder for what waits`)
  const length = Buffer.byteLength(resolve(spool.folder))
  const most = longestPath - lockLength
  if (length > most)
    throw fault(`${optionName('spool')}: '${spool.folder}' has ${length} bytes as a path; at most ${most}`)
  return spool
}

/** Rejects if no files can be made in the folder, or if it cannot be made. */
async function checkSpoolFolder(folder: string): Promise<void> {
  await checkFileSink(join(folder, '{id}')).catch(error => {
    throw new TcpPipeError('ERR_OPTION', `${optionName('spool')}: ${errorMessage(error.cause ?? error)}`, {
      cause: error,
    })
  })
}

function checkChoice(name: string, value: string, allowed: readonly string[]): void {
  if (allowed.includes(value)) return
  throw fault(`${name}: ${String(value)} is not allowed; expected ${either(allowed)}`)
}

/** Port 0 is another one each time. */
function isAnyPort(address: Address): boolean {
  return 'port' in address && address.port === 0
}

/** The number of file descriptors that they need for each connection. */
export function descriptorsOf(plans: readonly AlsoPlan[]): number {
  return plans
    .filter(({ to }) => 'scheme' in to && to.scheme !== 'stdio')
    .reduce((sum, { spool }) => sum + (spool ? 2 : 1), 0)
}

function fault(message: string, cause?: unknown): TcpPipeError {
  return new TcpPipeError('ERR_OPTION', `${optionName('also')}: ${message}`, { cause })
}
