/** Which server to attach to, if the command line does not say. */
import { type UnixAddress, unixAddress } from '../../lib/endpoints/unix.js'
import { errorCode, errorMessage, TcpPipeError } from '../../lib/text/errors.js'
import { escapeLine } from '../../lib/text/escape.js'
import { knownSockets } from '../control.js'
import { quote } from '../quote.js'
import { attach, type ControlClient } from './client.js'

/** The only control socket of a live server in the runtime folder. If there are several, lists them on stderr. */
export async function onlySocket(): Promise<UnixAddress> {
  const found = (await Promise.all(knownSockets().map(live))).flatMap(each => each ?? [])
  const [only] = found
  if (only && found.length === 1) return only.address
  if (!only) throw new Error('no server has a control socket; start one with: tcp-pipe serve --control')
  for (const { address, about } of found)
    process.stderr.write(`${escapeLine(`tcp-pipe top ${quote([address.path])}   ${about}`)}\n`)
  throw new TcpPipeError('ERR_OPTION', `${found.length} servers have a control socket; expected the address of one`)
}

/** Undefined if nobody listens: the socket of a dead process. */
async function live(path: string): Promise<{ address: UnixAddress; about: string } | undefined> {
  const address = unixAddress(path)
  let client: ControlClient | undefined
  try {
    client = await attach(address)
    const { name, address: where, pid } = client.server
    return { address, about: `${name} ${where}, pid ${pid}` }
  } catch (error) {
    return ['ECONNREFUSED', 'ENOENT'].includes(errorCode(error) ?? '')
      ? undefined
      : { address, about: errorMessage(error) }
  } finally {
    client?.close()
  }
}
