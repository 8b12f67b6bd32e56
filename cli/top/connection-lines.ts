/** The lines of one connection: for each direction its source, its stages and its sink, with a bar of their states. */
import { escapeLine } from '../../lib/text/escape.js'
import { formatBytes } from '../../lib/text/quantities.js'
import { paint, withSymbols } from '../look.js'
import { type Column, fitColumns, rowOf } from '../table.js'
import type { ConnectionFigures, DirectionFigures, Row } from './figures.js'
import { fit, type Place } from './place.js'
import { bar, legend, states } from './states.js'

export function connectionLines(connection: ConnectionFigures, place: Place): string[] {
  const directions = connection.directions()
  const rows = directions.flatMap(each => each.rows)
  const present = states.filter((_, i) => rows.some(({ shares }) => (shares?.[i] ?? 0) > 0))
  return [
    ...directions.flatMap(each => directionLines(each, place)),
    ...(present.length > 0 ? ['', fit(`  ${legend(present, place.look)}`, place)] : []),
  ]
}

/** The widest and the least bar. */
const bars = { most: 30, least: 8 }

function directionLines({ name, rows, verdict }: DirectionFigures, place: Place): string[] {
  const { look, columns } = place
  const width = Math.min(bars.most, Math.max(bars.least, Math.floor(columns / 2) - 11))
  const table = fitColumns(rowColumns, columns - 4 - 1 - width)
  const mark = withSymbols('…', look)
  const path = rows.map(row => row.name).join(' → ')
  return [
    '',
    paint(fit(`${name}: ${path}`, place), 'cyan', look),
    ...rows.map(row => {
      const line = `    ${rowOf(table, row, mark)}`
      return row.shares ? `${line} ${bar(row.shares, width, look)}` : line
    }),
    ...(verdict === undefined ? [] : [paint(fit(`  ${verdict}`, place), 'yellow', look)]),
  ]
}

const rowColumns: readonly Column<Row>[] = [
  { title: '', width: 10, side: 'left', drop: 0, grows: true, text: ({ name }) => escapeLine(name) },
  { title: '', width: 12, side: 'right', drop: 2, text: ({ unit, amount }) => amountText(unit, amount) },
  { title: '', width: 12, side: 'right', drop: 1, text: ({ unit, rate }) => `${amountText(unit, Math.round(rate))}/s` },
]

function amountText(unit: Row['unit'], amount: number): string {
  return unit === 'bytes' ? formatBytes(amount, 1) : `${compact(amount)} rec`
}

/** 1234567 → `1.2M`. */
function compact(amount: number): string {
  const units = ['', 'k', 'M', 'G', 'T']
  const power = amount < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(amount) / 3))
  return `${power === 0 ? amount : (amount / 1000 ** power).toFixed(1)}${units[power]}`
}
