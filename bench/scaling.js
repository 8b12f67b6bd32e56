// The curve: what a proxy does with 1 to 10,000 connections, with stages, lines and chunks of any size, beside haproxy with one thread.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { drawing } from './chart.js'
import {
  both,
  connectionAxis,
  counted,
  cpuPanel,
  curve,
  loadAlone,
  perSecond,
  row,
  series,
  threeSeries,
  throughput,
} from './curve.js'
import { requests, startFlood, straight } from './load.js'
import { commandsOf, haproxy, ours, staged } from './proxies.js'
import { has, MiB, tcpPipe } from './support.js'

export const peers = ['redis-server', 'redis-benchmark', 'haproxy']

const lines = fileURLToPath(new URL('lines.js', import.meta.url))
const lined = { name: 'tcp-pipe proxy, lines', command: `exec ${tcpPipe} proxy PORT 127.0.0.1:TARGET -q -r ${lines}` }

/** What the cost of a request with most connections may be, as a multiple of that with a hundred. */
const mostCost = 1.5

/** Connections of the requests in the rows about stages. */
const fewConnections = 50

const sizes = [1, 16, 256, 4096, 65_536, MiB]

/** How much is measured: all of it, or what a quick run has time for. */
function amounts(quick) {
  return {
    connections: quick ? [1, 100, 1000, mostConnections()] : [1, 10, 100, 1000, mostConnections()],
    count: connections => {
      if (quick) return Math.max(5000, 2 * connections)
      return connections === 1 ? 30_000 : Math.max(60_000, 15 * connections)
    },
    bulk: quick ? [1, 100] : [1, 10, 100, 1000],
    beside: quick ? [1, 100] : [1, 10, 100],
    stages: quick ? [0, 2, 20] : [0, 1, 2, 5, 10, 20],
    sizes: quick ? [1, 256, MiB] : sizes,
    ms: quick ? 250 : 1000,
    /** Without a proxy: what the load itself reaches. */
    straight: quick ? [] : [straight],
  }
}

/** A proxy takes two descriptors for each connection. */
function mostConnections() {
  return Math.min(10_000, Math.floor((openFiles() - 200) / 200) * 100)
}

function openFiles() {
  const limit = spawnSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).stdout.trim()
  return limit === 'unlimited' ? Number.POSITIVE_INFINITY : Number(limit)
}

export async function run({ runs, quick }) {
  const amount = amounts(quick)
  const times = Math.min(runs, 3)
  const sections = []
  const panels = []
  const add = part => {
    sections.push(...part.sections)
    panels.push(...part.panels)
  }
  if (has('redis-server') && has('redis-benchmark')) {
    add(await requestCurve(amount, times))
    add(await requestStages(amount, times))
  }
  const flood = await startFlood()
  try {
    add(await bulkCurve(flood, amount, times))
    add(await lightBeside(flood, amount, times))
    add(await bulkStages(flood, amount, times))
    add(await lineLengths(flood, amount, times))
    add(await chunkSizes(flood, amount, times))
  } finally {
    flood.end()
  }
  sections[0].text = `![The same figures as curves](scaling.svg)\n\n${sections[0].text}`
  sections.at(-1).commands.push(...commandsOf([ours, staged('', 1), lined, haproxy]))
  return [...sections, { chart: 'scaling.svg', drawing: drawing('The curve of tcp-pipe proxy', panels), rows: [] }]
}

async function requestCurve(amount, times) {
  const candidates = [...both, ...amount.straight]
  const points = await curve(
    amount.connections,
    () => candidates,
    times,
    (each, x) => requests(each, x, amount.count(x)),
  )
  const late = key => result => ({ value: result[key], cpu: perSecond(result).cpu })
  const latencies = points.flatMap(({ x, results }) =>
    ['p50', 'p99'].map(key => row(`${counted(x, 'connection')}: ${key}`, results, late(key), { isLowerBetter: true })),
  )
  const sections = [
    {
      title: 'Curve: requests through a proxy, by connections',
      text: whatLimits(),
      ...{
        unit: '1/s',
        cpu: 'µs',
        rows: points.map(({ x, results }) => row(counted(x, 'connection'), results, perSecond)),
      },
    },
    { title: 'Curve: latency of a request, by connections', unit: 'ms', cpu: 'µs', rows: latencies },
    costs(points),
  ]
  if (amount.straight.length > 0) sections.push(loadAlone('requests', points, perSecond, { unit: '1/s' }))
  const p50 = threeSeries(points, result => result.p50).slice(0, both.length)
  const p99 = threeSeries(points, result => result.p99).slice(0, both.length)
  const named = (all, key) => all.map(each => ({ ...each, name: `${each.name} ${key}`, kind: `${each.kind} ${key}` }))
  const panels = [
    {
      title: 'Requests per second',
      x: connectionAxis,
      y: { label: '1/s' },
      series: threeSeries(points, result => perSecond(result).value),
    },
    {
      title: 'Latency of a request',
      x: connectionAxis,
      y: { label: 'ms', isLog: true },
      series: [...named(p50, 'p50'), ...named(p99, 'p99')],
    },
    cpuPanel('Processor time of a request', 'µs', points, perSecond),
  ]
  return { sections, panels }
}

function whatLimits() {
  const most = mostConnections()
  const descriptors =
    most < 10_000
      ? [
          `Not more than ${most.toLocaleString('en')} connections: a proxy takes two descriptors for each, and \`ulimit -n\` allows`,
          `${openFiles().toLocaleString('en')}.`,
        ]
      : []
  return [
    '`redis-benchmark -t get` against redis-server, one request in flight on each connection, so that the latency is the',
    'number of connections over the rate.',
    ...descriptors,
    'Each measurement has ports of its own: 28,232 ephemeral ones are enough for each pair of address and port.',
    '`limit` is what has kept our figure from being higher: a process that has taken a whole core, all cores, the way there and',
    'back (waiting), or a machine that was not quiet (other work).',
  ].join('\n')
}

/** What a request costs with most connections, against a hundred. */
function costs(points) {
  const [low, high] = [points.find(({ x }) => x === 100), points.at(-1)]
  const cost = (name, { results }) => perSecond(results.get(name)).cpu
  const rows = both.map(({ name }) => ({
    work: `${name}: ${counted(high.x, 'connection')} against 100`,
    figure: cost(name, high) / cost(name, low),
    ...(name === ours.name && { most: mostCost }),
  }))
  return { title: 'Curve: processor time of a request with many connections', unit: '×', rows }
}

/** With stages on both directions; haproxy, which has none, is measured beside each. */
function stagesOf(count) {
  return [staged(ours.name, count), ...both.slice(1)]
}

async function requestStages(amount, times) {
  const points = await curve(amount.stages, stagesOf, times, each =>
    requests(each, fewConnections, amount.count(fewConnections)),
  )
  const title = `Curve: requests on ${fewConnections} connections, by pass-through stages on each direction`
  const rows = points.map(({ x, results }) => row(counted(x, 'stage'), results, perSecond))
  const panel = {
    title: `Requests per second, ${fewConnections} connections`,
    ...{ x: { label: 'pass-through stages on each direction' }, y: { label: '1/s' } },
    series: threeSeries(points, result => perSecond(result).value),
  }
  return { sections: [{ title, unit: '1/s', cpu: 'µs', rows }], panels: [panel] }
}

async function bulkCurve(flood, amount, times) {
  const candidates = [...both, ...amount.straight]
  const points = await curve(
    amount.bulk,
    () => candidates,
    times,
    (each, connections) => flood.measure(each, { connections }, amount.ms),
  )
  const rows = points.map(({ x, results }) => row(counted(x, 'connection'), results, throughput))
  const sections = [{ title: 'Curve: bulk data through a proxy, by connections', unit: 'MB/s', cpu: 'ms/GB', rows }]
  if (amount.straight.length > 0) sections.push(loadAlone('bulk data', points, throughput, { unit: 'MB/s' }))
  const panels = [
    {
      title: 'Bulk data',
      x: connectionAxis,
      y: { label: 'MB/s' },
      series: threeSeries(points, result => throughput(result).value),
    },
    cpuPanel('Processor time of bulk data', 'ms/GB', points, throughput),
  ]
  return { sections, panels }
}

/** How long a light client waits for its turn beside heavy ones. */
async function lightBeside(flood, amount, times) {
  const points = await curve(
    amount.beside,
    () => both,
    times,
    (each, connections) => flood.measure(each, { connections, isProbed: true }, amount.ms),
  )
  const wanted = result => ({ value: result.late, cpu: throughput(result).cpu })
  const rows = points.map(({ x, results }) =>
    row(`beside ${counted(x, 'bulk connection')}`, results, wanted, { isLowerBetter: true }),
  )
  const text = 'Connect, a byte there, a byte back: the median. The processor time is that of the bulk data.'
  const panel = {
    title: 'A byte and its answer beside bulk data',
    ...{ x: { label: 'bulk connections', isLog: true }, y: { label: 'ms', isLog: true } },
    series: threeSeries(points, result => result.late),
  }
  const title = 'Curve: a new connection beside bulk data'
  return { sections: [{ title, text, unit: 'ms', cpu: 'ms/GB', rows }], panels: [panel] }
}

async function bulkStages(flood, amount, times) {
  const points = await curve(amount.stages, stagesOf, times, each => flood.measure(each, {}, amount.ms))
  const rows = points.map(({ x, results }) => row(counted(x, 'stage'), results, throughput))
  const panel = {
    title: 'Bulk data, one connection',
    ...{ x: { label: 'pass-through stages on each direction' }, y: { label: 'MB/s' } },
    series: threeSeries(points, result => throughput(result).value),
  }
  const title = 'Curve: bulk data on one connection, by pass-through stages on each direction'
  return { sections: [{ title, unit: 'MB/s', cpu: 'ms/GB', rows }], panels: [panel] }
}

const sizeAxis = label => ({ label, isLog: true, isBytes: true })

async function lineLengths(flood, amount, times) {
  const candidates = [lined, ...both.slice(1)]
  const points = await curve(
    amount.sizes,
    () => candidates,
    times,
    (each, line) => flood.measure(each, { line }, amount.ms),
  )
  const rows = points.map(({ x, results }) =>
    row(`lines of ${counted(x, 'byte')}`, results, throughput, { mine: lined.name }),
  )
  const sections = [
    { title: 'Curve: bulk data through a function over lines, by their length', unit: 'MB/s', cpu: 'ms/GB', rows },
  ]
  const panel = {
    title: 'A function over lines, one connection',
    ...{ x: sizeAxis('bytes in a line'), y: { label: 'MB/s', isLog: true } },
    series: [
      series(lined.name, 'ours', points, result => throughput(result).value),
      { ...series(haproxy.name, 'peer', points, result => throughput(result).value), name: 'haproxy, no lines' },
    ].filter(each => each.points.length > 0),
  }
  return { sections, panels: [panel] }
}

async function chunkSizes(flood, amount, times) {
  const points = await curve(
    amount.sizes,
    () => both,
    times,
    (each, chunk) => flood.measure(each, { chunk }, amount.ms),
  )
  const rows = points.map(({ x, results }) => row(`chunks of ${counted(x, 'byte')}`, results, throughput))
  const text = 'Each chunk is a write of the sender. A proxy that is slower reads several at once.'
  const sections = [
    { title: 'Curve: bulk data on one connection, by chunks', text, unit: 'MB/s', cpu: 'ms/GB', rows, commands: [] },
  ]
  const panels = [
    {
      title: 'Chunks, one connection',
      x: sizeAxis('bytes in a chunk'),
      y: { label: 'MB/s', isLog: true },
      series: threeSeries(points, result => throughput(result).value),
    },
    cpuPanel('Processor time of chunks', 'ms/GB', points, throughput, sizeAxis('bytes in a chunk')),
  ]
  return { sections, panels }
}
