/** The report of `--stats`. */
import { type DirectionStats, type Part, partsOf, type RunStats, type Summary, verdict } from '../lib/index.js'
import { errorCode, errorMessage } from '../lib/text/errors.js'
import { escapeJson, escapeLine } from '../lib/text/escape.js'
import { formatBytes, formatDuration } from '../lib/text/quantities.js'
import { formatRemote } from '../lib/text/remote.js'
import { lookOf, withSymbols } from './look.js'
import { freshLine } from './terminal.js'
import { widthOf, wrap } from './wrap.js'

export function writeReport(summary: Summary, format: 'text' | 'json'): void {
  const look = lookOf()
  const memory = process.resourceUsage().maxRSS * 1024
  const text =
    format === 'json' ? jsonReport(summary, memory) : withSymbols(textReport(summary, memory, look.columns), look)
  process.stderr.write(freshLine() + text)
}

/** One line. Times are milliseconds, `rate` is bytes per second, `peakMemory` bytes of the process. */
export function jsonReport({ error, ...summary }: Summary, peakMemory: number): string {
  const verdicts = Object.fromEntries(summary.directions.map(each => [each.direction, verdict(each)?.text]))
  const report = {
    ...summary,
    ...(error && { error: errorMessage(error), code: errorCode(error) }),
    rate: rateOf(summary),
    peakMemory,
    verdicts,
  }
  return `${escapeJson(JSON.stringify({ level: error ? 50 : 30, time: new Date().toISOString(), ...report, msg: 'stats' }, rounded))}\n`
}

/** Hundredths of a millisecond say enough. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' ? Math.round(value * 100) / 100 : value
}

function rateOf({ bytesIn, bytesOut, duration }: Pick<Summary, 'bytesIn' | 'bytesOut' | 'duration'>): number {
  return Math.round((Math.max(bytesIn, bytesOut) * 1000) / Math.max(duration, 1))
}

export function textReport(summary: Summary, peakMemory: number, columns: number): string {
  const { bytesIn, bytesOut, duration, closedBy, reason, error, directions } = summary
  const moved = `received ${formatBytes(bytesIn)}, sent ${formatBytes(bytesOut)} in ${formatDuration(duration)}`
  const ending = error ? `failed (${closedBy}): ${escapeLine(errorMessage(error))}` : `closed by ${closedBy}`
  const head = [
    `${formatRemote(summary)}: ${moved} (${formatBytes(rateOf(summary))}/s)`,
    `peak memory ${formatBytes(peakMemory)}; ${ending}${reason === undefined ? '' : `: ${escapeLine(reason)}`}`,
  ]
  const blocks = directions.flatMap(each => directionLines(each, columns))
  return `${[...head, ...blocks].map(line => wrapped(line, columns)).join('\n')}\n`
}

/** What continues a line is indented. */
function wrapped(line: string, columns: number): string {
  return widthOf(line) <= columns ? line : wrap(line, columns - 4).replaceAll('\n', '\n    ')
}

function directionLines(direction: DirectionStats, columns: number): string[] {
  const parts = partsOf(direction)
  const { bytesIn, bytesOut } = direction
  if (parts.length === 0 || bytesIn + bytesOut === 0) return []
  const title = `${direction.direction}: ${formatBytes(bytesIn)} in, ${formatBytes(bytesOut)} out`
  return [title, ...table(rowsOf(direction, parts), columns), `  ${escapeLine(verdict(direction)?.text ?? '')}`]
}

type Row = Record<(typeof titles)[number], string>

/** From left to right. The others are shares of the time: working, and waiting for the input, the output or the thread. */
const titles = ['part', 'bytes', 'records', 'busy', 'input', 'output', 'thread'] as const

/** Left out in this order where a line has no room. */
const dispensable: readonly (typeof titles)[number][] = ['records', 'bytes', 'thread']

function rowsOf({ bytesIn, bytesOut, segments }: DirectionStats, parts: readonly Part[]): Row[] {
  const [source, ...rest] = parts
  const sink = rest.pop()
  const stages = segments.flatMap(({ runs }) => runs).flatMap(run => run.stages.map((_, i) => stageCells(run, i)))
  return [
    { ...shares(source as Part), bytes: formatBytes(bytesIn), records: '' },
    ...rest.map((part, i) => ({ ...shares(part), ...(stages[i] as ReturnType<typeof stageCells>) })),
    { ...shares(sink as Part), bytes: formatBytes(bytesOut), records: '' },
  ]
}

/** Of stages that are fused, the first one tells the bytes that entered the stream, the last one those that left it. */
function stageCells({ bytesIn, bytesOut, stages }: RunStats, i: number): Pick<Row, 'bytes' | 'records'> {
  const { recordsIn = 0, recordsOut = 0 } = stages[i] ?? {}
  const entered = i === 0 ? formatBytes(bytesIn) : ''
  const left = i === stages.length - 1 ? formatBytes(bytesOut) : ''
  return {
    bytes: entered || left ? `${entered} → ${left}`.trim() : '',
    records: recordsIn + recordsOut > 0 ? `${recordsIn} → ${recordsOut}` : '',
  }
}

function shares({ name, busy, waitingForInput, waitingForOutput, waitingForThread }: Part) {
  const percent = (share: number) => `${Math.round(share * 100)} %`
  return {
    part: escapeLine(name),
    busy: percent(busy),
    input: percent(waitingForInput),
    output: percent(waitingForOutput),
    thread: percent(waitingForThread),
  }
}

function table(rows: readonly Row[], columns: number): string[] {
  const head = Object.fromEntries(titles.map(title => [title, title])) as Row
  const all = [head, ...rows]
  const widths = Object.fromEntries(
    titles.map(title => [title, Math.max(...all.map(row => widthOf(row[title])))]),
  ) as Record<(typeof titles)[number], number>
  let shown: readonly (typeof titles)[number][] = titles.filter(title => rows.some(row => row[title] !== ''))
  const total = () => shown.reduce((sum, title) => sum + 2 + widths[title], 0)
  for (const title of dispensable) if (total() > columns) shown = shown.filter(each => each !== title)
  return all.map(row =>
    shown
      .map(title => {
        const blank = ' '.repeat(widths[title] - widthOf(row[title]))
        return title === 'part' || title === 'bytes' || title === 'records' ? row[title] + blank : blank + row[title]
      })
      .map(cell => `  ${cell}`)
      .join('')
      .trimEnd(),
  )
}
