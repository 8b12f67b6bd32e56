/** `--metrics`: the figures of the server and of the process, by HTTP. */
import type { Address } from '../lib/endpoints/address.js'
import { metrics } from '../lib/metrics.js'
import { exposition } from '../lib/text/exposition.js'
import { answerPaths, text } from './http.js'
import type { Logger } from './log.js'
import { named } from './named.js'
import { openProcessFigures } from './process-figures.js'
import type { Standing } from './standing.js'

/** Listens, and logs where. `server` may come later; until then, there are no metrics and nothing is ready. */
export async function openMetrics(
  address: Address,
  log: Logger,
  server: () => Standing | undefined,
): Promise<{ close(): void }> {
  const figures = metrics({ stats: () => (server() as Standing).stats(), refresh: async () => server()?.refresh?.() })
  const process = openProcessFigures()
  const ofProcesses = async () => {
    const own = process.families()
    return (await server()?.families?.(own)) ?? own
  }
  const body = shared(async () => (await figures.text()) + exposition(await ofProcesses()))
  const listener = await answerPaths(address, {
    async '/metrics'() {
      if (!server()) return text(503, 'not listening yet')
      return { status: 200, type: figures.contentType, body: await body() }
    },
    '/healthz': () => text(200, 'alive'),
    '/readyz': () => (server()?.listening ? text(200, 'ready') : text(503, 'not accepting connections')),
  }).catch(error => {
    process.close()
    throw named('--metrics', error)
  })
  const { address: where, family, port } = listener.bound
  log.info({ address: where, family, port }, 'metrics')
  return {
    close() {
      listener.close()
      process.close()
    },
  }
}

/** Milliseconds in which scrapes get the same figures: to collect those of thousands of connections takes as long. */
const fresh = 100

function shared(make: () => Promise<string>): () => Promise<string> {
  let made: Promise<string> | undefined
  let until = 0
  return () => {
    if (made && performance.now() < until) return made
    made = make()
    until = performance.now() + fresh
    return made
  }
}
