/** A frame: the lines that are drawn, none wider than the terminal. */
import { escapeLine } from '../../lib/text/escape.js'
import { formatBytes, formatDuration } from '../../lib/text/quantities.js'
import { paint, withSymbols } from '../look.js'
import { type Column, fitColumns, rowOf, titleOf } from '../table.js'
import { shorten, widthOf } from '../wrap.js'
import { connectionLines } from './connection-lines.js'
import type { ConnectionFigures, ServerFigures } from './figures.js'
import { fit, type Place } from './place.js'
import { indexOf, type View } from './view.js'

/** The place for a frame. */
interface Screen extends Place {
  readonly rows: number
}

/** The lines for people at a terminal, with the keys. */
export function frameOf(figures: ServerFigures, view: View, place: Screen): string[] {
  const { look, columns, rows } = place
  const head = headLines(figures, place)
  const foot = paint(fit(footText(view), place), view.asks ? 'yellow' : 'dim', look)
  const body = bodyLines(figures, view, { look, columns, rows: Math.max(0, rows - head.length - 1) })
  return [...head, ...body, foot].slice(0, Math.max(1, rows))
}

/** The lines for a file or a pipe: everything, and no keys. */
export function textOf(figures: ServerFigures, view: View, place: Place): string {
  const whole = { ...place, rows: Number.POSITIVE_INFINITY }
  return [...headLines(figures, whole), ...bodyLines(figures, view, whole)].map(line => `${line.trimEnd()}\n`).join('')
}

export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(Math.round(bytesPerSecond), 1)}/s`
}

export function formatAge(milliseconds: number): string {
  return formatDuration(Math.floor(milliseconds / 1000) * 1000).replace(/^0ms$/, '0s')
}

/** The place, and then the figures, which flow into as many lines as they need. */
function headLines(figures: ServerFigures, { look, columns }: Place): string[] {
  const { command, address, pid, age, open, accepted, failed, refused, rateIn, rateOut } = figures
  const title = fit(`${address}  ${command}`, { look, columns })
  const parts = [
    `pid ${pid}`,
    `up ${formatAge(age)}`,
    `${open} open`,
    `${accepted} accepted`,
    `${failed} failed`,
    `${refused} refused`,
    `in ${formatRate(rateIn)}`,
    `out ${formatRate(rateOut)}`,
  ]
  return [paint(title, 'cyan', look), ...flow(parts, withSymbols(' · ', look), columns)]
}

function flow(parts: readonly string[], separator: string, columns: number): string[] {
  const lines: string[] = []
  for (const part of parts) {
    const last = lines.at(-1)
    const joined = last === undefined ? part : `${last}${separator}${part}`
    if (last === undefined || widthOf(joined) > columns) lines.push(shorten(part, columns, ''))
    else lines[lines.length - 1] = joined
  }
  return lines
}

function bodyLines(figures: ServerFigures, view: View, { look, columns, rows }: Screen): string[] {
  const { connections } = figures
  const at = indexOf(
    view,
    connections.map(({ number }) => number),
  )
  const selected = connections[at]
  if (!selected) return ['', fit('no connection is open', { look, columns })].slice(0, rows)
  const details = connectionLines(selected, { look, columns })
  const room = view.isOpen ? 1 : Math.max(1, Math.floor((rows - 2) / 2), rows - 2 - details.length)
  const start = Math.min(Math.max(0, at - Math.floor(room / 2)), Math.max(0, connections.length - room))
  const shown = view.isOpen ? [selected] : connections.slice(start, start + room)
  const table = fitColumns(tableColumns, columns - 2)
  const mark = withSymbols('…', look)
  const lines = shown.map(each => {
    const line = `${each === selected ? '> ' : '  '}${rowOf(table, each, mark)}`
    return each === selected ? paint(line, 'cyan', look) : line
  })
  return ['', paint(`  ${titleOf(table, mark)}`, 'dim', look), ...lines, ...details].slice(0, rows)
}

const tableColumns: readonly Column<ConnectionFigures>[] = [
  { title: '#', width: 5, side: 'right', drop: 0, text: ({ number }) => String(number) },
  { title: 'remote', width: 15, side: 'left', drop: 0, grows: true, text: ({ remote }) => escapeLine(remote) },
  { title: 'age', width: 8, side: 'right', drop: 3, text: ({ age }) => formatAge(age) },
  { title: 'in', width: 10, side: 'right', drop: 5, text: ({ bytesIn }) => formatBytes(bytesIn, 1) },
  { title: 'out', width: 10, side: 'right', drop: 4, text: ({ bytesOut }) => formatBytes(bytesOut, 1) },
  { title: 'in/s', width: 12, side: 'right', drop: 1, text: ({ rateIn }) => formatRate(rateIn) },
  { title: 'out/s', width: 12, side: 'right', drop: 2, text: ({ rateOut }) => formatRate(rateOut) },
]

function footText({ asks, note, isOpen }: View): string {
  if (asks) return `${asks.method} connection ${asks.connection}? y/n`
  if (note !== undefined) return note
  return isOpen
    ? 'Left: back · arrows · k close · r reset · q quit'
    : 'arrows select · Enter opens · k close · r reset · q quit'
}
