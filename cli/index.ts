#!/usr/bin/env node
/** The command line. Imports the rest only when needed, so that `--version` is fast. */
import { readFileSync } from 'node:fs'

const argv = process.argv.slice(2)

if (argv[0] === '--version' || argv[0] === '-V') console.log(version())
else {
  const { main } = await import('./main.js')
  await main(argv, version())
}

function version(): string {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version
}
