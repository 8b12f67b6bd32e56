/** Unix sockets: a path that a dead server left behind is taken over, anything else in its place is not. */
import { lstatSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { errorCode, TcpPipeError } from '../text/errors.js'

/**
 * Removes a socket nobody listens on any more.
 *
 * @throws `ERR_ADDRESS` if something else than a socket has the path; a live socket is left for `listen` to refuse
 */
export async function removeStale(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (!stat) return
  if (!stat.isSocket()) throw new TcpPipeError('ERR_ADDRESS', `'unix:${path}': the path exists and is not a socket`)
  if ((await connectError(path)) === 'ECONNREFUSED') unlinkSync(path)
}

function connectError(path: string): Promise<string | undefined> {
  return new Promise(resolve => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(undefined)
    })
    socket.once('error', error => resolve(errorCode(error)))
  })
}
