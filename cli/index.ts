#!/usr/bin/env node
/** The command line. Imports the rest only when needed, so that `--version` is fast. */
import { commands } from './commands.js'
import { useCompileCache } from './compile-cache.js'
import { version } from './version.js'

const argv = process.argv.slice(2)

if (argv[0] === '--version' || argv[0] === '-V') console.log(version())
else {
  useCompileCache()
  commands
    .find(({ name }) => name === argv[0])
    ?.load()
    .catch(() => {}) // at the same time; main reports a failure
  const { main } = await import('./main.js')
  await main(argv, version(), commands)
}
