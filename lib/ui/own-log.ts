/** Lines about connections, for a page of a server whose log is elsewhere. */
import { handshakeWords } from '../stats/log-observer.js'
import type { Observer } from '../stats/observer.js'
import { errorMessage } from '../text/errors.js'
import { formatBytes } from '../text/quantities.js'
import { formatRemote } from '../text/remote.js'
import type { LogLines } from './lines.js'

export function ownLog(lines: LogLines): Observer {
  return {
    opened: connection => lines.add('info', `${formatRemote(connection)} connected`),
    refused: ({ remote, reason }) => lines.add('warn', `${remote} refused: ${reason}`),
    handshakeFailed: ({ remote, error }) =>
      lines.add('warn', `${remote}: ${handshakeWords(error)}: ${errorMessage(error)}`),
    closed(summary) {
      const { error, closedBy, bytesIn, bytesOut } = summary
      const how = error ? `failed: ${errorMessage(error)}` : `closed by ${closedBy}`
      const amounts = `${formatBytes(bytesIn)} in, ${formatBytes(bytesOut)} out`
      lines.add(error ? 'error' : 'info', `${formatRemote(summary)} ${how}; ${amounts}`)
    },
  }
}
