/**
 * Connections on their way to a worker. node:cluster forgets one whose worker dies before it has confirmed it: the
 * descriptor stays open here, and the client waits for ever.
 */
import type { Worker } from 'node:cluster'

/** A connection as node:cluster accepts it: an object of Node's own, which is closed when a worker has confirmed it. */
interface Handle {
  close(callback?: () => void): unknown
  /** TCP only. */
  reset?(callback?: () => void): unknown
}

/** The last worker that each connection was sent to. */
const underWay = new Map<Handle, Worker>()

/** Resets what is on its way to this worker when it dies. */
export function watchHandover(worker: Worker): Worker {
  const { process: child } = worker
  const send = child.send.bind(child) as (...words: unknown[]) => boolean
  child.send = (...words: unknown[]) => {
    const [, handle] = words as [unknown, Handle | undefined]
    if (typeof handle?.close === 'function') note(handle, worker)
    return send(...words)
  }
  worker.once('exit', () => {
    for (const [handle, last] of underWay) if (last === worker) drop(handle)
  })
  return worker
}

function note(handle: Handle, worker: Worker): void {
  const isNew = !underWay.has(handle)
  underWay.set(handle, worker)
  if (!isNew) return // a worker that does not listen any more has given it back
  const { close } = handle
  handle.close = callback => {
    underWay.delete(handle)
    return close.call(handle, callback)
  }
}

function drop(handle: Handle): void {
  underWay.delete(handle)
  if (handle.reset) handle.reset()
  else handle.close()
}
