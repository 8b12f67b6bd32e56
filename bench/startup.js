// How long the command line takes to start.
import { spawnSync } from 'node:child_process'
import { compare, tcpPipe } from './support.js'

const commands = {
  'tcp-pipe --version': `${tcpPipe} --version`,
  'tcp-pipe transforms': `${tcpPipe} transforms`,
  'node -e 0': `${process.execPath} -e 0`,
}

export async function run({ runs }) {
  const candidates = Object.entries(commands).map(([name, command]) => ({ name, words: command.split(' ') }))
  const seconds = await compare(candidates, runs * 3, ({ words }) => {
    const started = performance.now()
    spawnSync(words[0], words.slice(1))
    return (performance.now() - started) / 1000
  })
  const time = name => seconds.get(name) * 1000
  const row = (work, atMost) => ({ work, ours: time(work), peer: 'node -e 0', theirs: time('node -e 0'), atMost })
  return {
    title: `Start, wall time, ${runs * 3} runs`,
    unit: 'ms',
    rows: [row('tcp-pipe --version', 1.4), row('tcp-pipe transforms')],
    commands: Object.values(commands).map(command => [command]),
  }
}

export const peers = []
