/** The report of `--stats`. */
import { type DirectionStats, type Part, type Summary, verdict } from '../lib/index.js'
import { errorCode, errorMessage } from '../lib/text/errors.js'
import { escapeJson, escapeLine } from '../lib/text/escape.js'
import { formatBytes, formatDuration, toHundredths } from '../lib/text/quantities.js'
import { formatRemote } from '../lib/text/remote.js'
import { lookOf, withSymbols } from './look.js'
import { type Column, fitColumns, rowOf, titleOf } from './table.js'
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
  return `${escapeJson(JSON.stringify({ level: error ? 50 : 30, time: new Date().toISOString(), ...report, msg: 'stats' }, toHundredths))}\n`
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
  const judged = verdict(direction)
  if (!judged) return []
  const { bytesIn, bytesOut } = direction
  const title = `${direction.direction}: ${formatBytes(bytesIn)} in, ${formatBytes(bytesOut)} out`
  return [title, ...table(judged.parts, columns), `  ${escapeLine(judged.text)}`]
}

/** Blanks before each column. */
const gap = 2

function table(parts: readonly Part[], columns: number): string[] {
  const used = partColumns.filter(({ text }) => parts.some(part => text(part) !== ''))
  const sized = used.map(column => {
    const texts = [column.title, ...parts.map(column.text)]
    return { ...column, width: Math.max(...texts.map(widthOf)) }
  })
  const shown = fitColumns(sized, columns - gap, gap)
  const lines = [titleOf(shown, '', gap), ...parts.map(part => rowOf(shown, part, '', gap))]
  return lines.map(line => `${' '.repeat(gap)}${line}`.trimEnd())
}

/** The last four are shares of the time: working, and waiting for the input, the output or the thread. */
const partColumns: readonly Omit<Column<Part>, 'width'>[] = [
  { title: 'part', side: 'left', drop: 0, text: ({ name }) => escapeLine(name) },
  { title: 'bytes', side: 'left', drop: 2, text: bytesText },
  { title: 'records', side: 'left', drop: 3, text: ({ recordsIn, recordsOut }) => flow(recordsIn, recordsOut, String) },
  { title: 'busy', side: 'right', drop: 0, text: ({ busy }) => percent(busy) },
  { title: 'input', side: 'right', drop: 0, text: ({ waitingForInput }) => percent(waitingForInput) },
  { title: 'output', side: 'right', drop: 0, text: ({ waitingForOutput }) => percent(waitingForOutput) },
  { title: 'thread', side: 'right', drop: 1, text: ({ waitingForThread }) => percent(waitingForThread) },
]

function bytesText({ kind, bytesIn, bytesOut }: Part): string {
  return kind === 'stage' ? flow(bytesIn, bytesOut, formatBytes) : formatBytes(bytesIn ?? bytesOut ?? 0)
}

function flow(into: number | null, outOf: number | null, format: (amount: number) => string): string {
  if (into === null && outOf === null) return ''
  return [into, outOf]
    .map(amount => (amount === null ? '' : format(amount)))
    .join(' → ')
    .trim()
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}
