/** What must never happen in a process, whatever its peers do. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { Finding } from './part.js'

const troubles: string[] = []

/** From here on nothing ends this process by itself: it is kept for the next check. */
export async function watchProcess(): Promise<void> {
  process.on('uncaughtException', (error, origin) => troubles.push(`${origin}: ${error?.stack ?? String(error)}`))
  process.on('warning', warning => {
    if (warning.name !== 'ExperimentalWarning') troubles.push(`warning: ${warning.stack}`)
  })
  const first = createServer().listen(0, '127.0.0.1') // libuv keeps a spare descriptor from the first listener on
  await once(first, 'listening')
  first.close()
  await once(first, 'close')
}

/** A finding if anything has happened since the last check. */
export function checkProcess(): void {
  const happened = troubles.splice(0)
  if (happened.length > 0) throw new Finding(happened.join('\n'))
}
