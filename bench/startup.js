// How long the command line takes to start.
import { spawnSync } from 'node:child_process'
import { compare, freePort, listening, shell, tcpPipe } from './support.js'

/** Takes what comes, and ends after its peer. */
const target = port =>
  `exec ${process.execPath} -e "require('node:net').createServer({ allowHalfOpen: true }, socket => socket.on('end', () => socket.end()).resume()).listen(${port}, '127.0.0.1')"`

export async function run({ runs }) {
  const port = await freePort()
  const server = shell(target(port), { ends: false })
  await listening(port)
  const send = 'tcp-pipe send, of an empty file'
  const commands = {
    'tcp-pipe --version': `${tcpPipe} --version`,
    'tcp-pipe --help': `${tcpPipe} --help`,
    [send]: `${tcpPipe} send /dev/null --to 127.0.0.1:${port}`,
    'tcp-pipe transforms': `${tcpPipe} transforms`,
    'node -e 0': `${process.execPath} -e 0`,
  }
  const candidates = Object.entries(commands).map(([name, command]) => ({ name, words: command.split(' ') }))
  const results = await compare(candidates, runs * 3, async ({ words }) => {
    const started = performance.now()
    spawnSync(words[0], words.slice(1))
    const seconds = (performance.now() - started) / 1000
    return { seconds, cpu: await shell(`exec ${words.join(' ')}`).done } // without a shell in between, nobody tells
  })
  server.kill()
  const time = name => ({ value: results.get(name).seconds * 1000, cpu: results.get(name).cpu * 1000 })
  const row = (work, atMost) => ({
    work,
    ours: time(work),
    peer: 'node -e 0',
    theirs: time('node -e 0'),
    isLowerBetter: true,
    atMost,
  })
  return {
    title: `Start, wall time, ${runs * 3} runs`,
    unit: 'ms',
    cpu: 'ms',
    rows: [row('tcp-pipe --version', 1.4), row('tcp-pipe --help', 1.5), row(send, 1.8), row('tcp-pipe transforms')],
    commands: Object.values(commands).map(command => [command.replace(String(port), 'PORT')]),
  }
}

export const peers = []
