// The programs that stand between a client and a server, as benchmarks start them.
import { rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort, listening, shell, spentBy, tcpPipe } from './support.js'

const stageFile = name => fileURLToPath(new URL(name, import.meta.url))
const identity = stageFile('identity.js')
export const keeper = stageFile('keeper.js')
const haproxyFile = join(tmpdir(), `tcp-pipe-bench-${process.pid}-haproxy.cfg`)

const command = `exec ${tcpPipe} proxy PORT 127.0.0.1:TARGET -q`

export const ours = { name: 'tcp-pipe proxy', command }

/** So many stages that pass everything on, on each direction. */
export function staged(name, count, stage = identity) {
  return count === 0
    ? { name, command }
    : { name, command: `${command} --both '${Array(count).fill(stage).join(' | ')}'` }
}

export const haproxy = { name: 'haproxy', command: `exec haproxy -db -f ${haproxyFile}` }

/** `mode tcp`, one thread; the ports are filled in for each run. */
const haproxyText = `global
  nbthread 1
  maxconn MAXCONN
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen proxy
  bind 127.0.0.1:PORT
  server target 127.0.0.1:TARGET
`

/**
 * Starts the proxy for one measurement, which is given its port and `spent`: the seconds of processor time since it
 * listens. A proxy for one connection (`once`) has ended by then, and its shell knows.
 */
export async function throughProxy({ command, once = false }, target, measure, { connections = 1000 } = {}) {
  const port = await freePort()
  const fill = text => text.replaceAll('PORT', port).replaceAll('TARGET', target).replaceAll('MAXCONN', connections)
  if (command === haproxy.command) writeFileSync(haproxyFile, fill(haproxyText))
  const proxy = shell(fill(command), { ends: once })
  try {
    await listening(port)
    const before = once ? 0 : spentBy(proxy.child.pid)
    return await measure(port, once ? () => proxy.done : () => spentBy(proxy.child.pid) - before)
  } catch (error) {
    throw new Error(`${command}: ${proxy.errors()}`, { cause: error })
  } finally {
    proxy.kill()
    await proxy.done.catch(() => {})
    rmSync(haproxyFile, { force: true })
  }
}

export function commandsOf(candidates) {
  return candidates.map(({ command }) => [command.replace(haproxyFile, 'haproxy.cfg')])
}
