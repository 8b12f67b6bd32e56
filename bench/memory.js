// Memory while a sink is stalled and a sender goes on offering.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { MiB, median, residentMemory, spentByOne, tcpPipe } from './support.js'

const stages = ['counter', 'digest', 'buffer-to-string latin1', 'grep .', 'hex']

export async function run({ runs }) {
  const results = []
  for (let i = 0; i < Math.min(runs, 3); i++) results.push(await stalled())
  const middle = key => median(results.map(each => each[key]))
  return {
    title: `Memory with a stalled sink, 1 GiB offered, five stages (${stages.join(' | ')})`,
    unit: 'MiB over idle',
    cpu: 'ms in all',
    rows: [{ work: 'tcp-pipe serve', figure: middle('growth') / MiB, cpu: middle('cpu') * 1000, most: 16 }],
    commands: [[`${tcpPipe} serve :0 -t '${stages.join(' | ')}' | (nobody reads)`]],
  }
}

async function stalled() {
  const words = tcpPipe.split(' ')
  const child = spawn(words[0], [...words.slice(1), 'serve', ':0', '-t', stages.join(' | ')], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  try {
    const { port } = JSON.parse(String((await once(child.stderr, 'data'))[0]))
    await once(connect(port, '127.0.0.1').end('warm up\n'), 'close').catch(() => {})
    const idle = await settled(() => residentMemory(child.pid))
    const socket = connect(port, '127.0.0.1')
    let offered = 0
    const block = Buffer.alloc(MiB, 'abcdefghijklmnopqrstuvwxyz 0123456789\n')
    const offer = () => {
      while (offered++ < 1024 && socket.write(block));
    }
    socket.on('drain', offer).on('error', () => {})
    offer()
    const most = await settled(() => residentMemory(child.pid))
    socket.destroy()
    return { growth: most - idle, cpu: spentByOne(child.pid) }
  } finally {
    child.kill('SIGKILL')
  }
}

/** The greatest value once ten samples in a row have brought none that is greater. */
async function settled(sample) {
  let most = 0
  for (let same = 0; same < 10; same++) {
    const value = sample()
    if (value > most + 64 * 1024) same = 0
    most = Math.max(most, value)
    await delay(200)
  }
  return most
}

export const peers = []
