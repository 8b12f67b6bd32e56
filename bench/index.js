// npm run bench: runs peers and tcp-pipe in turn, writes bench/RESULTS.md and bench/scaling.svg.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { has } from './support.js'
import { format, verdict } from './table.js'

/** The files of this folder, and what each measures. */
const topics = {
  transfer: 'a large file from one process to another',
  tls: 'the same over TLS',
  proxy: 'requests and bulk data through a proxy',
  transforms: 'transforms on the receiving side',
  fusion: 'stages in the library',
  workers: 'more than one core',
  figures: 'what --metrics, --stats and --ui cost',
  reliable: 'reliable transfers',
  nats: 'lines into NATS JetStream and out of it',
  startup: 'the start of the command line',
  memory: 'memory with a stalled sink',
  idle: 'idle connections',
  worker: 'worker=true: a light connection beside a heavy one',
  capacity: 'what a server costs, for docs/scaling.md',
  scaling: 'the curve: requests and bulk data with 1 to 10,000 connections, stages, line lengths, chunk sizes',
  shaping: 'the rates and latencies of throttle and delay',
}

/** What would take too long for a quick run. */
const slow = { capacity: 'costs of a server, none of them compared' }

const usage = `usage: npm run bench -- [options]

Runs tcp-pipe and its peers in turn. A whole run writes bench/RESULTS.md and bench/scaling.svg; others print only.

  --only NAME   one topic; may be given several times
  --runs N      runs of each row (default: 5, with --quick 1)
  --quick       all topics with small amounts, in less than two minutes
  --help        this text

Topics:
${Object.entries(topics)
  .map(([name, about]) => `  ${name.padEnd(12)}${about}${name in slow ? '; not in --quick' : ''}`)
  .join('\n')}
`

const { only, runs, quick } = options()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
const here = name => new URL(name, import.meta.url)
const asked = only ?? Object.keys(topics).filter(name => !(quick && name in slow))

const sections = []
const charts = []
const failed = []
const missing = new Set()
for (const topic of asked) {
  const started = performance.now()
  try {
    await measure(topic)
  } catch (error) {
    failed.push(topic)
    process.exitCode = 1
    console.error(`\n${topic} failed:`, error)
  }
  console.error(`${topic}: ${((performance.now() - started) / 1000).toFixed(1)} s`)
}
finish()

async function measure(topic) {
  const { run, peers } = await import(`./${topic}.js`)
  for (const peer of peers) if (!has(peer)) missing.add(peer)
  for (const result of [await run({ runs, quick })].flat()) {
    if (result.chart) charts.push(result)
    else {
      sections.push(result)
      console.log(`\n${format(result)}`)
    }
  }
}

function finish() {
  const isWhole = !only && !quick
  for (const { chart, drawing } of charts) {
    const file = isWhole ? here(chart) : `/tmp/${chart}`
    writeFileSync(file, drawing)
    if (!isWhole) console.log(`\nThe chart: ${file}`)
  }
  if (isWhole) writeFileSync(here('RESULTS.md'), page())
  else console.log('\nA part or a quick run: bench/RESULTS.md stays as it is.')
  if (quick && !only) {
    console.log('Quick: smaller amounts, one run of each unless --runs says more, fewer places on each curve.')
    for (const [name, why] of Object.entries(slow)) console.log(`Left out by --quick: ${name} (${why}).`)
  }
  if (failed.length > 0) console.log(`Failed, and not in the tables: ${failed.join(', ')}.`)
  if (missing.size > 0) console.log(`Not installed, so not measured: ${[...missing].join(', ')}.`)
  console.log(verdict(sections))
}

function options() {
  try {
    const { values } = parseArgs({
      options: {
        runs: { type: 'string' },
        only: { type: 'string', multiple: true },
        quick: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h' },
      },
    })
    if (values.help) {
      process.stdout.write(usage)
      process.exit(0)
    }
    const unknown = values.only?.find(name => !(name in topics))
    if (unknown !== undefined) throw new Error(`--only: no topic ${unknown}: ${Object.keys(topics).join(', ')}`)
    const runs = Number(values.runs ?? (values.quick ? 1 : 5))
    if (!(Number.isInteger(runs) && runs > 0)) throw new Error(`--runs: ${values.runs} is no number from 1 on`)
    return { ...values, runs }
  } catch (error) {
    console.error(error.message)
    return process.exit(2)
  }
}

function page() {
  const version = (command, pattern = /.*/) => {
    const { stdout, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8' })
    return pattern.exec(stdout + stderr)?.[0]
  }
  const versions = [
    `node ${process.version}`,
    version('nc -h', /OpenBSD netcat.*/),
    version('ncat --version', /Ncat: Version \S+/),
    version('socat -V', /socat version \S+/),
    version('mbuffer --version', /mbuffer version \S+/),
    version('xxd --version', /xxd .*/),
    version('hexdump --version'),
    version('gzip --version'),
    version('rsync --version', /rsync +version \S+/),
    version('redis-server --version', /Redis server v=\S+/),
    version('haproxy -v', /HAProxy version \S+/),
    version('nats-server --version', /nats-server: v\S+/),
  ].filter(Boolean)
  return [
    '# Results',
    'Written by `npm run bench`. Scope: loopback, files in the page cache, a shared machine. Programs run in turn in one run;',
    `each figure is the median of ${runs} runs, and only the ratios of one run mean something. CPU is processor time, user and`,
    'system together: of a transfer that of both ends, of a proxy or server its own, with all processes of a shell pipe.',
    '',
    `- date: ${new Date().toISOString().slice(0, 10)}`,
    `- machine: ${cpus()[0].model}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}`,
    `- versions: ${versions.join('; ')}`,
    `- not installed: ${[...missing].join(', ') || 'none'}`,
    ...(failed.length > 0 ? [`- failed, and not in the tables: ${failed.join(', ')}`] : []),
    `- in short: ${verdict(sections)}`,
    '',
    sections.map(format).join('\n\n'),
    '',
    readFileSync(here('tried.md'), 'utf8').trimEnd(),
    '',
  ].join('\n')
}
