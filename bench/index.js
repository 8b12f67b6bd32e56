// npm run bench [-- --runs N --only NAME --quick]: runs peers and tcp-pipe in turn, writes bench/RESULTS.md.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { has } from './support.js'

const topics = [
  'transfer',
  'tls',
  'proxy',
  'transforms',
  'fusion',
  'workers',
  'figures',
  'reliable',
  'nats',
  'startup',
  'memory',
  'idle',
  'worker',
  'scaling',
  'shaping',
]
const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    only: { type: 'string', multiple: true },
    quick: { type: 'boolean' },
  },
})
const here = name => new URL(name, import.meta.url)

const sections = []
const missing = new Set()
for (const topic of values.only ?? topics) {
  const { run, peers } = await import(`./${topic}.js`)
  for (const peer of peers) if (!has(peer)) missing.add(peer)
  const results = await run({ runs: Number(values.runs), quick: values.quick ?? false })
  for (const section of [results].flat().map(format)) {
    console.log(`\n${section}`)
    sections.push(section)
  }
}
if (values.only || values.quick) console.log('\nA part or a quick run: bench/RESULTS.md stays as it is.')
else writeFileSync(here('RESULTS.md'), page())

function format({ title, unit, rows, commands }) {
  const compared = 'ours' in rows[0]
  const head = compared
    ? `| work | ${unit} | against | ${unit} | ratio | required | reached |\n| --- | --- | --- | --- | --- | --- | --- |`
    : `| work | ${unit} | required | reached |\n| --- | --- | --- | --- |`
  const lines = rows.map(compared ? comparedRow : plainRow)
  const list =
    commands.length > 0 ? `\n\n\`\`\`sh\n${[...new Set(commands.flat())].map(anonymous).join('\n')}\n\`\`\`` : ''
  return `## ${title}\n\n${head}\n${lines.join('\n')}${list}`
}

function comparedRow({ work, ours, peer, theirs, atLeast, atMost, aim }) {
  const ratio = ours / theirs
  const required = atLeast ? `≥ ${atLeast}` : atMost ? `≤ ${atMost}` : aim ? `aim ${aim}` : ''
  const reached = atLeast || aim ? ratio >= (atLeast ?? aim) : atMost ? ratio <= atMost : undefined
  return `| ${[cell(work), number(ours), cell(peer), number(theirs), ratio.toFixed(2), required, word(reached)].join(' | ')} |`
}

function plainRow({ work, figure, least, most }) {
  const required = most === undefined ? '' : least === undefined ? `≤ ${most}` : `${least} to ${most}`
  const reached = most === undefined ? undefined : figure <= most && !(figure < least)
  return `| ${[work, number(figure), required, word(reached)].join(' | ')} |`
}

function word(reached) {
  return reached === undefined ? '' : reached ? 'yes' : '**no**'
}

function number(value) {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1)
}

function cell(text) {
  return `\`${text.replaceAll('|', '\\|')}\``
}

function anonymous(command) {
  return command.replaceAll(process.execPath, 'node').replaceAll(/\S+\/(dist|bench)\//g, '$1/')
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
    version('redis-server --version', /Redis server v=\S+/),
    version('haproxy -v', /HAProxy version \S+/),
    version('nats-server --version', /nats-server: v\S+/),
  ].filter(Boolean)
  return [
    '# Results',
    'Written by `npm run bench`. Scope: loopback, files in the page cache, a shared machine. Programs run in turn in one run;',
    `each figure is the median of ${values.runs} runs, and only the ratios of one run mean something.`,
    '',
    `- date: ${new Date().toISOString().slice(0, 10)}`,
    `- machine: ${cpus()[0].model}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}`,
    `- versions: ${versions.join('; ')}`,
    `- not installed: ${[...missing].join(', ') || 'none'}`,
    '',
    sections.join('\n\n'),
    '',
    readFileSync(here('tried.md'), 'utf8').trimEnd(),
    '',
  ].join('\n')
}
