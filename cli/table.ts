/** Columns of a table: those that have no room are dropped, the first one that matters least. */
import { shorten, widthOf } from './wrap.js'

export interface Column<R> {
  readonly title: string
  readonly width: number
  readonly side: 'left' | 'right'
  /** What is dropped first has the highest number; 0 always stays. */
  readonly drop: number
  /** Whether it takes the room that is left. */
  readonly grows?: boolean
  text(row: R): string
}

/** The columns that fit, with their final widths. `gap` blanks are between them. */
export function fitColumns<R>(columns: readonly Column<R>[], width: number, gap = 1): Column<R>[] {
  const kept = [...columns]
  const need = () => kept.reduce((sum, each) => sum + each.width + gap, -gap)
  while (need() > width) {
    const least = kept.reduce((one, other) => (other.drop > one.drop ? other : one))
    if (least.drop === 0) break
    kept.splice(kept.indexOf(least), 1)
  }
  const spare = width - need()
  return kept.map(each => (each.grows ? { ...each, width: Math.max(1, each.width + spare) } : each))
}

export function rowOf<R>(columns: readonly Column<R>[], row: R, mark: string, gap = 1): string {
  return columns.map(column => cell(column.text(row), column, mark)).join(' '.repeat(gap))
}

export function titleOf<R>(columns: readonly Column<R>[], mark: string, gap = 1): string {
  return columns.map(column => cell(column.title, column, mark)).join(' '.repeat(gap))
}

function cell(text: string, { width, side }: Pick<Column<never>, 'width' | 'side'>, mark: string): string {
  const short = shorten(text, width, width > 4 ? mark : '')
  const blanks = ' '.repeat(Math.max(0, width - widthOf(short)))
  return side === 'left' ? short + blanks : blanks + short
}
