/** The page of `send`. */
import type { SendConnection } from '../lib/index.js'
import type { Log } from './log.js'
import type { PageOptions } from './page-options.js'

/** The page waits for the connection. */
export async function openPage(options: PageOptions, log: Log) {
  let connected: (connection: SendConnection) => void = () => {}
  if (!options.ui) return { page: undefined, connected }
  const opened = new Promise<SendConnection>(resolve => {
    connected = resolve
  })
  const page = await (await import('./page.js')).openPage(options, opened, log)
  return { page, connected }
}
