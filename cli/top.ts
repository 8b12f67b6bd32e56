/** `tcp-pipe top`: what a running server does, by its control socket. */
import { Command, Option } from 'commander'
import { TcpPipeError } from '../lib/text/errors.js'
import { formatDuration, longestTime, parseDuration } from '../lib/text/quantities.js'
import { controlAddress } from './control-option.js'
import { withExamples } from './help.js'
import { effectiveOptions, value } from './options.js'
import type { TopOptions } from './top/run.js'

export function topCommand(): Command {
  const command = new Command('top')
    .description(
      'Shows the connections of a server that runs with --control, and which stages are busy. It attaches to the only such server, or to an address.',
    )
    .argument('[address]', 'the control socket: unix:path or a path', controlAddress)
    .action(async address => {
      const options = effectiveOptions<TopOptions>(command)
      if (!process.stdout.isTTY && !options.once && !options.json)
        throw new TcpPipeError('ERR_OPTION', 'stdout is not a terminal; use --once for a frame as text, or --json')
      const { runTop } = await import('./top/run.js')
      await runTop(address, options)
    })
  command
    .addOption(value('--interval <time>', 'between two drawings (default: 1s)', readInterval))
    .addOption(new Option('--once', 'print one frame as text, and end'))
    .addOption(new Option('--json', 'print the figures as one JSON line per interval'))
  return withExamples(command, [
    ['tcp-pipe serve --control', 'a server that top can watch'],
    ['tcp-pipe top', 'the only server of this user'],
    ['tcp-pipe top unix:/run/user/1000/tcp-pipe/4711.sock'],
    ['tcp-pipe top --once --json | jq .accepted'],
  ])
}

/** Milliseconds. */
const least = 100

function readInterval(text: string): number {
  const time = parseDuration(text)
  if (time >= least && time <= longestTime) return time
  const range = `from ${formatDuration(least)} to ${formatDuration(longestTime)}`
  throw new TcpPipeError('ERR_OPTION', `'${text}' is not allowed; expected a time ${range}`)
}
