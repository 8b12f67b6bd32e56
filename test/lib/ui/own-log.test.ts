import t from 'tap'
import { LogLines } from '../../../lib/ui/lines.js'
import { ownLog } from '../../../lib/ui/own-log.js'

t.test('lines about connections', async t => {
  const lines = new LogLines()
  const log = ownLog(lines)
  const peer = { remote: '127.0.0.1', port: 4000 }
  const summary = { ...peer, bytesIn: 1500, bytesOut: 2, closedBy: 'peer' }
  log.opened?.(peer as never)
  log.refused?.({ reason: 'maxPerIp', remote: '::1' })
  log.handshakeFailed?.({ remote: '::1', error: new Error('no\nTLS') })
  log.closed?.(summary as never)
  log.closed?.({ ...summary, closedBy: 'reset', error: new Error('gone') } as never)
  log.closed?.({ ...summary, remote: 'unix', port: undefined } as never)
  t.same(
    lines.after(0).lines.map(({ level, text }) => `${level} ${text}`),
    [
      'info 127.0.0.1:4000 connected',
      'warn ::1 refused: maxPerIp',
      'warn ::1: TLS handshake failed: no\\nTLS',
      'info 127.0.0.1:4000 closed by peer; 1.46 KiB in, 2 B out',
      'error 127.0.0.1:4000 failed: gone; 1.46 KiB in, 2 B out',
      'info unix closed by peer; 1.46 KiB in, 2 B out',
    ],
  )
})
