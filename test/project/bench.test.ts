import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { node, read, root } from './support.js'

interface Figure {
  value: number
  cpu?: number
}

interface Row {
  work: string
  ours?: Figure
  peer?: string
  theirs?: Figure
  figure?: number
  cpu?: number
  limit?: string
  isLowerBetter?: boolean
  atLeast?: number
  atMost?: number
  aim?: number
  least?: number
  most?: number
}

interface Section {
  title: string
  unit: string
  cpu?: string
  text?: string
  rows: Row[]
  commands?: string[]
}

interface Axis {
  label: string
  isLog?: boolean
  isBytes?: boolean
}

interface Panel {
  title: string
  x: Axis
  y: Axis
  series: { name: string; kind: string; points: [number, number][] }[]
}

const bench = (file: string) => import(join(root, 'bench', file))

const { format, verdict } = (await bench('table.js')) as {
  format(section: Section): string
  verdict(sections: Section[]): string
}

const { drawing, scale, short } = (await bench('chart.js')) as {
  drawing(title: string, panels: Panel[]): string
  scale(
    axis: { isLog?: boolean; isTight?: boolean },
    values: number[],
    range: [number, number],
  ): { (value: number): number; ticks: number[] }
  short(value: number, axis?: { isBytes?: boolean }): string
}

const { childrensTime, compare, median, rate, shell, speed, spentBy, spentByOne } = (await bench('support.js')) as {
  childrensTime(text: string): number
  compare(
    candidates: { name: string }[],
    runs: number,
    measure: (candidate: { name: string }) => Promise<Record<string, number>>,
    choose?: (values: number[]) => number,
  ): Promise<Map<string, Record<string, number>>>
  median(values: number[]): number
  rate(count: number, spent: { seconds: number; cpu: number }): Figure
  shell(command: string, options?: { ends: boolean }): { child: { pid: number }; done: Promise<number>; kill(): void }
  speed(bytes: number, spent: { seconds: number; cpu: number }): Figure
  spentBy(group: number): number
  spentByOne(pid: number): number
}

const { limitOf } = (await bench('load.js')) as { limitOf(result: Record<string, number>, cores: number): string }

const compared: Row = { work: 'a | b', ours: { value: 120, cpu: 5 }, peer: 'nc', theirs: { value: 100, cpu: 4.25 } }

t.test('a row with a peer has both processor times', async t => {
  const text = format({ title: 'One', unit: 'MB/s', cpu: 'ms/GB', rows: [{ ...compared, atLeast: 1.1 }] })
  t.equal(
    text,
    `## One

| work | MB/s | CPU ms/GB | against | MB/s | CPU ms/GB | ratio | required | reached |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
| \`a \\| b\` | 120 | 5.0 | \`nc\` | 100 | 4.25 | 1.20 | ≥ 1.1 | yes |`,
  )
})

t.test('a row without a peer, what limits it, a text, and the commands once each', async t => {
  const rows = [
    { work: 'x', figure: 3, cpu: 10, most: 2, limit: 'proxy' },
    { work: 'y', figure: 0.26, cpu: Number.NaN, least: 0, most: 1 },
  ]
  const commands = [`${process.execPath} /a/b/dist/bundle/cli.js -b '/a/bench/x.js | /a/bench/x.js'`]
  t.equal(
    format({ title: 'Two', unit: '×', cpu: 'µs', text: 'Why.', rows, commands: [...commands, ...commands] }),
    `## Two

Why.

| work | × | CPU µs | required | reached | limit |
| --- | --- | --- | --- | --- | --- |
| x | 3.0 | 10.0 | ≤ 2 | **no** | proxy |
| y | 0.26 | – | 0 to 1 | yes |  |

\`\`\`sh
node dist/bundle/cli.js -b 'bench/x.js | bench/x.js'
\`\`\``,
  )
})

t.test('the last line counts rows that are ahead, and requirements that are reached', async t => {
  const slower = { ...compared, ours: { value: 80 } }
  const rows = [
    { ...compared, atLeast: 1.5 },
    { ...compared, atLeast: 1 },
    { ...slower, isLowerBetter: true, atMost: 0.9 },
    { ...slower, aim: 0.9 },
    slower,
  ]
  const plain = [
    { work: 'x', figure: 1, most: 0 },
    { work: 'y', figure: 1, least: 0, most: 2 },
    { work: 'z', figure: 1 },
  ]
  const sections = [rows, plain].map(rows => ({ title: '', unit: '', rows }))
  t.equal(
    verdict(sections),
    'Ahead (ratio ≥ 1, of times ≤ 1): 3 of 5 rows with a peer; of these 2 of 3 reach what is required, 0 of 1 their aim; of the rows without a peer, 1 of 2 reach what is required',
  )
})

t.test('figures of bytes and of requests', async t => {
  t.same(speed(2e9, { seconds: 4, cpu: 1 }), { value: 500, cpu: 500 })
  t.same(rate(1000, { seconds: 4, cpu: 0.002 }), { value: 250, cpu: 2 })
})

t.test('candidates are measured in turn, in both orders, and each number has a median of its own', async t => {
  const order: string[] = []
  const measure = async ({ name }: { name: string }) => {
    order.push(name)
    return { seconds: order.length, cpu: -order.length }
  }
  const results = await compare([{ name: 'a' }, { name: 'b' }], 3, measure)
  t.same(order, ['a', 'b', 'b', 'a', 'a', 'b'])
  t.same(
    [...results],
    [
      ['a', { seconds: 4, cpu: -4 }],
      ['b', { seconds: 3, cpu: -3 }],
    ],
  )
  t.equal(median([1, 2, 3, 4]), 2.5)
})

t.test('the processor time of a shell pipe is that of all its processes', async t => {
  t.equal(childrensTime('0m0.001s 0m0.002s\n1m2.500s 0m0.250s\n'), 62.75)
  t.equal(childrensTime(''), 0)
  const busy = `${process.execPath} -e "while (process.cpuUsage().user < 2e5);"`
  t.ok((await shell(`env -u NODE_OPTIONS ${busy} | env -u NODE_OPTIONS ${busy}`).done) >= 0.39)
})

t.test('the processor time of what still runs, of a group and of one process', async t => {
  const { child, done, kill } = shell('while :; do :; done & while :; do :; done', { ends: false })
  while (spentBy(child.pid) < 0.3) await new Promise(resolve => setTimeout(resolve, 10))
  t.ok(spentByOne(child.pid) < spentBy(child.pid))
  kill()
  await done
  t.equal(spentByOne(child.pid), 0)
})

t.test('what limits a figure: a busy process, all cores, or waiting', async t => {
  t.equal(limitOf({ seconds: 9, 'busy: proxy': 0.9, 'busy: sender': 0.5 }, 2), 'proxy')
  t.equal(limitOf({ 'busy: proxy': 0.8, 'busy: sender': 0.8 }, 2), 'all cores')
  t.equal(limitOf({ 'busy: proxy': 0.4, 'busy: sender': 0.2 }, 2), 'waiting')
})

t.test('an axis begins at zero, or has whole decades', async t => {
  const linear = scale({}, [3, 9], [0, 100])
  t.same(linear.ticks, [0, 2, 4, 6, 8, 10])
  t.equal(linear(5), 50)
  const log = scale({ isLog: true }, [2, 900], [100, 0])
  t.same(log.ticks, [1, 10, 100, 1000])
  t.equal(Math.round(log(10)), 67)
  const tight = scale({ isLog: true, isTight: true }, [1, 9900, 10, 1], [0, 100])
  t.same([tight.ticks, tight(9900)], [[1, 10, 9900], 100])
  t.same(scale({}, [], [0, 1]).ticks.at(0), 0)
  t.same(scale({ isLog: true }, [5, 5], [0, 1]).ticks, [1, 10])
})

t.test('values are short', async t => {
  t.same(
    [0, 0.04, 12, 9900, 50_000, 2e6].map(value => short(value)),
    ['0', '0.04', '12', '9.9k', '50k', '2M'],
  )
  t.same(
    [1, 65_536, 2 ** 20].map(value => short(value, { isBytes: true })),
    ['1', '64k', '1m'],
  )
})

t.test('a chart has all series, in the legend, with units, and no text can be read as markup', async t => {
  const panel: Panel = {
    title: '<b>&',
    x: { label: 'connections', isLog: true },
    y: { label: 'MB/s' },
    series: [
      { name: 'tcp-pipe', kind: 'ours', points: [[1, 5], [10, 50]] }, // biome-ignore format: points
      { name: 'haproxy', kind: 'peer', points: [[1, 4], [10, Number.NaN]] }, // biome-ignore format: points
    ],
  }
  const svg = drawing('Curves', [panel, panel, panel])
  t.equal(svg.match(/<g transform/g)?.length, 3)
  t.equal(svg.match(/class="line"/g)?.length, 3 * 4)
  t.equal(svg.match(/stroke-dasharray/g)?.length, 3 * 2, 'the peer can be told without its colour')
  t.equal(svg.match(/<circle/g)?.length, 3 * 3)
  for (const label of ['connections (log scale)', 'MB/s', 'tcp-pipe', 'haproxy', '&#60;b&#62;&#38;'])
    t.ok(svg.includes(`>${label}</text>`), label)
  t.notMatch(svg, /NaN|undefined|<b>/)
  t.match(svg, /prefers-color-scheme: dark/)
})

t.test('npm run bench says what it can do, and knows its topics', async t => {
  const run = (...words: string[]) =>
    spawnSync('env', [...node, join(root, 'bench/index.js'), ...words], { encoding: 'utf8' })
  const help = run('--help')
  t.equal(help.status, 0)
  for (const word of ['--only', '--runs', '--quick', 'scaling', 'capacity']) t.ok(help.stdout.includes(word), word)
  for (const [words, message] of [
    [['--only', 'nothing'], /^--only: no topic nothing: transfer, /],
    [['--runs', '0'], /^--runs: 0 is no number/],
    [['--fast'], /--fast/],
  ] as const) {
    const { status, stderr } = run(...words)
    t.equal(status, 2)
    t.match(stderr, message)
  }
  const topics = [...read('bench/index.js').matchAll(/^ {2}(\w+): '/gm)].map(match => match[1] as string)
  for (const topic of topics) {
    const module = (await bench(`${topic}.js`)) as { run: unknown; peers: unknown }
    t.type(module.run, 'function', topic)
    t.type(module.peers, Array, topic)
  }
})
