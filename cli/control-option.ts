/** `--control`, and the addresses of control sockets. */
import type { Option } from 'commander'
import { type UnixAddress, unixAddress } from '../lib/endpoints/unix.js'
import { TcpPipeError } from '../lib/text/errors.js'
import { value } from './options.js'

/** True: in the runtime folder. */
export type ControlChoice = UnixAddress | boolean

export function controlOption(): Option {
  const what = 'answer stats, close and reset on a unix socket; for tcp-pipe top (default: in the runtime folder)'
  return value('--control [address]', what, readChoice)
}

function readChoice(text: string): ControlChoice {
  if (text === 'true' || text === '1') return true
  return text === 'false' || text === '0' ? false : controlAddress(text)
}

/** `unix:PATH` or a path → the address. Throws `ERR_ADDRESS`. */
export function controlAddress(text: string): UnixAddress {
  const path = text.replace(/^unix:/, '')
  if (path === text && /^[\w.-]*:|^\d*$|^\[/.test(text))
    throw new TcpPipeError('ERR_ADDRESS', `'${text}' is not allowed; expected unix:path or a path`)
  return unixAddress(path)
}
