/** `--workers` and what it excludes. */
import { fstatSync, statSync } from 'node:fs'
import type { Option } from 'commander'
import type { Address } from '../lib/endpoints/address.js'
import { TcpPipeError } from '../lib/text/errors.js'
import { value } from './options.js'
import { isReliable, type ReliableOptions } from './reliable-options.js'
import type { Seat } from './workers/seat.js'

export interface WorkersOptions {
  workers?: number | 'auto'
  /** In a worker: its place. */
  seat?: Seat
}

/** What one process must do alone. */
interface Rivals extends WorkersOptions, ReliableOptions {
  once?: boolean
  chat?: boolean
}

/** More would not fit into the memory of a machine. */
const most = 256

export function workersOption(): Option {
  return value('--workers <n>', 'share the connections among so many processes; auto: one per processor', text => {
    if (text === 'auto') return text
    const count = /^\d+$/.test(text) ? Number(text) : 0
    if (count >= 1 && count <= most) return count
    throw new TcpPipeError('ERR_OPTION', `'${text}' is not allowed; expected auto or a whole number from 1 to ${most}`)
  })
}

/** Throws `ERR_OPTION`. */
export function checkWorkers(options: Rivals, listen: Address | undefined): void {
  const { workers, once, chat } = options
  if (workers === undefined) return
  const rivals: [string, unknown, string][] = [
    ['--once', once, 'it takes one connection'],
    ['--chat', chat, 'it takes one client at a time'],
    [
      options.reliable ? '--reliable' : 'reliable://',
      isReliable(options, listen),
      'a session must come back to the worker that has it',
    ],
  ]
  for (const [name, given, why] of rivals) if (given) fault(`--workers and ${name} exclude each other: ${why}`)
}

/** Rejects stdout as the place of the result: lines of several processes would be torn there. Throws `ERR_OPTION`. */
export function checkWorkersOutput({ workers }: WorkersOptions): void {
  if (workers === undefined || isDevNull()) return
  fault(
    '--workers and stdout exclude each other: several processes would tear the lines; expected -o FILE with {id} or --append, /dev/null, --to or --reply',
  )
}

function isDevNull(): boolean {
  const [stdout, none] = [fstatSync(1), statSync('/dev/null', { throwIfNoEntry: false })]
  return stdout.isCharacterDevice() && stdout.rdev === none?.rdev
}

function fault(message: string): never {
  throw new TcpPipeError('ERR_OPTION', message)
}
