// @ts-check
/** Throughput, latency and connections over the last ten minutes, as charts and in words. */
import { byId, h, onceAFrame, setText } from './dom.js'
import { counted, duration, number, rate } from './format.js'

/** @typedef {import('./types.js').History} History */
/** @typedef {import('uplot')} UPlot */
/** @typedef {Exclude<keyof History, 'interval' | 'time'>} Column */
/** @typedef {{ title: string, series: [Column, string, string][], value: (value: number) => string, words: (history: Sample) => string, steps?: number[] }} Chart */
/** @typedef {Record<Column, number | null>} Sample */

const columns = /** @type {const} */ (['time', 'in', 'out', 'open', 'accepted', 'replies', 'p50', 'p99'])
const mostSamples = 600
const height = 150

/** @type {Chart[]} */
const charts = [
  {
    title: 'Throughput',
    series: [
      ['in', 'In', '--request'],
      ['out', 'Out', '--reply'],
    ],
    value: value => rate(value),
    steps: Array.from({ length: 50 }, (_, i) => 2 ** i),
    words: now => `${rate(now.in)} in, ${rate(now.out)} out`,
  },
  {
    title: 'Time to reply',
    series: [
      ['p50', 'p50', '--request'],
      ['p99', 'p99', '--busy'],
    ],
    value: value => duration(value),
    words: ({ p50, p99, replies }) =>
      p50 === null
        ? 'no replies now'
        : `half within ${duration(p50)}, 99 % within ${duration(p99)}; ${counted(replies ?? 0, 'reply', 'replies')}/s`,
  },
  {
    title: 'Connections',
    series: [['open', 'Open', '--request']],
    value: value => number(value),
    steps: Array.from({ length: 7 }, (_, i) => [1, 2, 5].map(each => each * 10 ** i)).flat(),
    words: ({ open, accepted }) => `${number(open ?? 0)} open, ${number(accepted ?? 0)} accepted in the last second`,
  },
]

export function createCharts() {
  /** @type {Record<typeof columns[number], (number | null)[]>} */
  const data = { time: [], in: [], out: [], open: [], accepted: [], replies: [], p50: [], p99: [] }
  const parts = charts.map(chart => createChart(chart, data))
  byId('charts-body').append(...parts.map(({ element }) => element))
  const draw = onceAFrame(() => {
    for (const part of parts) part.draw()
  })
  const redraw = () => {
    for (const part of parts) part.remake()
    draw()
  }
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw)
  new ResizeObserver(draw).observe(byId('charts-body'))

  /** @param {History} history */
  function add(history) {
    const last = data.time.at(-1) ?? Number.NEGATIVE_INFINITY
    const from = history.time.findIndex(time => time / 1000 > last)
    if (from === -1) return
    for (const column of columns) {
      const values = history[column].slice(from)
      data[column].push(...(column === 'time' ? values.map(time => Number(time) / 1000) : values))
      data[column].splice(0, data[column].length - mostSamples)
    }
    draw()
  }

  return { add }
}

/** @param {Chart} chart @param {Record<string, (number | null)[]>} data */
function createChart(chart, data) {
  const { title, series, value, words } = chart
  const canvas = h('div', { class: 'canvas', 'aria-hidden': 'true' })
  const text = h('p', { class: 'chart-text' })
  const legend = h('span', { class: 'legend', 'aria-hidden': 'true' }, ...series.map(legendEntry))
  const element = h('figure', {}, h('figcaption', {}, h('h3', {}, title), legend), canvas, text)
  /** @type {UPlot | undefined} */
  let plot

  function draw() {
    const width = Math.floor(element.clientWidth)
    if (data.time.length === 0) {
      setText(text, 'No figures yet')
      return
    }
    const values = /** @type {any} */ ([data.time, ...series.map(([column]) => data[column])])
    if (!plot && width > 0) plot = makePlot(chart, values, canvas, width)
    else if (plot) {
      if (plot.width !== width && width > 0) plot.setSize({ width, height })
      plot.setData(values)
    }
    const now = /** @type {Sample} */ (
      Object.fromEntries(columns.slice(1).map(column => [column, data[column].at(-1)]))
    )
    const most = Math.max(...series.flatMap(([column]) => data[column].map(Number)))
    setText(text, `Now: ${words(now)}. Highest: ${value(most)}.`)
  }

  function remake() {
    plot?.destroy()
    plot = undefined
  }

  return { element, draw, remake }
}

/** @param {[Column, string, string]} series @param {number} index */
function legendEntry([, name, color], index) {
  const line = h('i', { class: 'line' })
  line.style.borderTopColor = `var(${color})`
  if (index > 0) line.style.borderTopStyle = 'dashed'
  return h('span', {}, line, name)
}

/** @param {Chart} chart @param {any} values @param {HTMLElement} canvas @param {number} width @returns {UPlot | undefined} */
function makePlot({ series, value, steps }, values, canvas, width) {
  const Plot = /** @type {{ uPlot?: typeof import('uplot') }} */ (/** @type {unknown} */ (globalThis)).uPlot
  if (!Plot) return undefined
  const style = getComputedStyle(document.documentElement)
  const color = (/** @type {string} */ name) => style.getPropertyValue(name).trim()
  const axis = {
    stroke: color('--muted'),
    grid: { stroke: color('--line'), width: 1 },
    ticks: { show: false },
    font: '11px system-ui, sans-serif',
  }
  return new Plot(
    {
      width,
      height,
      legend: { show: false },
      cursor: { show: false },
      padding: [8, 8, 0, 0],
      scales: { y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.1 : 1] } },
      axes: [
        { ...axis, size: 22, space: 70, values: (_plot, times) => times.map(clockOf) },
        { ...axis, size: 72, space: 36, ...(steps && { incrs: steps }), values: (_plot, ticks) => ticks.map(value) },
      ],
      series: [
        {},
        ...series.map(([, label, name], i) => ({
          label,
          stroke: color(name),
          width: 1.5,
          points: { show: values[0].length < 3 },
          ...(i > 0 && { dash: [4, 3] }),
        })),
      ],
    },
    values,
    canvas,
  )
}

/** @param {number} seconds */
function clockOf(seconds) {
  const date = new Date(seconds * 1000)
  const [hours, minutes, rest] = [date.getHours(), date.getMinutes(), date.getSeconds()].map(each =>
    String(each).padStart(2, '0'),
  )
  return rest === '00' ? `${hours}:${minutes}` : `${hours}:${minutes}:${rest}`
}
