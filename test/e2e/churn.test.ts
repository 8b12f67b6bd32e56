import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import t, { type Test } from 'tap'
import { descriptors, resources, restored } from '../fuzz/resources.js'
import { behave, mixed } from '../soak/behaviours.js'
import { dial, openServers, type ServerName } from '../soak/servers.js'
import { kindsOfStops, stopInHandshakes } from '../soak/stops.js'
import { dial as dialled, exchange, listen, proxy, type ServerProcess, serve } from './support.js'

/** Connections of each test, and how many of them are open at once. */
const connections = 2000
const atOnce = 50

/** Milliseconds in which what clients have left behind must be gone. */
const settleTime = 10_000

t.test('thousands of connections of every kind leave no handle and no descriptor (F-07)', async t => {
  const target = await echo(t)
  const running = await openServers(target)
  t.teardown(() => running.close())
  const before = resources()
  t.same(await churn(name => dial(running.ports, name)), [])
  await t.resolves(restored('handles and descriptors', before, resources, settleTime))
  t.equal(running.connections(), 1, 'the one that takes the place of the full server')
})

t.test('the same of programs: their descriptors are back where they were (F-07)', async t => {
  const target = await echo(t)
  const faults = null // most of the clients are rude
  const programs: Record<ServerName, ServerProcess> = {
    serve: await serve(t, ['0', '--reply', '-t', 'slice 64k'], { faults, timeout: 60_000 }),
    proxy: await proxy(t, ['0', String(target), '-b', 'slice 64k'], { faults, timeout: 60_000 }),
    tls: await serve(t, ['0', '--tls', 'auto', '--reply', '-t', 'slice 64k'], { faults, timeout: 60_000 }),
    'tls proxy': await proxy(t, ['0', String(target), '--tls', 'auto'], { faults, timeout: 60_000 }),
    late: await serve(t, ['0', '--reply', '-t', 'delay 300ms'], { faults, timeout: 60_000 }),
    impatient: await serve(t, ['0', '--reply', '--idle-timeout', '1s'], { faults, timeout: 60_000 }),
    full: await serve(t, ['0', '--reply', '--max-connections', '1'], { faults, timeout: 60_000 }),
  }
  const ports = Object.fromEntries(Object.entries(programs).map(([name, { port }]) => [name, port]))
  const held = await dialled(t, programs.full.port)
  held.write('x')
  await once(held, 'data') // it is accepted
  const before = new Map(Object.values(programs).map(program => [program, descriptors(program.pid)]))
  t.same(await churn(name => dial(ports as Record<ServerName, number>, name)), [])
  for (const [program, counts] of before)
    await t.resolves(restored('descriptors', counts, () => descriptors(program.pid), settleTime))
  t.equal(String(await exchange(t, programs.serve.port, 'as ever')), 'as ever')
  held.destroy()
})

t.test('servers that are stopped in the middle of handshakes of every kind end at once (G-25)', async t => {
  for (let turn = 0; turn < kindsOfStops; turn++) await t.resolves(stopInHandshakes(turn))
})

/** All the connections, so many at once; gives what has not ended as planned. */
async function churn(open: (name: ServerName) => Socket): Promise<string[]> {
  const failures: string[] = []
  const next = mixed()
  let left = connections
  const work = async () => {
    while (left-- > 0) {
      const { behaviour, server } = next.next().value
      await behave(behaviour, open(server)).catch(error => failures.push(`${error.message} (${server})`))
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  return failures
}

async function echo(t: Test): Promise<number> {
  const server = await listen(t, socket => void socket.pipe(socket))
  return (server.address() as AddressInfo).port
}
