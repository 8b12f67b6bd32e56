/** The states of a stage: one table. */
import type { StageStats } from '../../lib/index.js'
import { type Color, type Look, paint, withSymbols } from '../look.js'

/** The times of a part. */
export type Times = Pick<StageStats, 'waitingForInput' | 'busy' | 'waitingForThread' | 'waitingForOutput'>

export interface State {
  /** The name of its time in the figures of a part. */
  readonly key: keyof Times
  readonly name: string
  readonly symbol: string
  readonly color: Color
}

/** In the order of the bar. */
export const states: readonly State[] = [
  { key: 'waitingForInput', name: 'waits for input', symbol: '░', color: 'dim' },
  { key: 'busy', name: 'busy', symbol: '█', color: 'green' },
  { key: 'waitingForThread', name: 'waits for the thread', symbol: '▓', color: 'cyan' },
  { key: 'waitingForOutput', name: 'waits for output', symbol: '▒', color: 'yellow' },
]

/** A bar of this width: each state has its share of it. */
export function bar(shares: readonly number[], width: number, look: Look): string {
  let sum = 0
  let drawn = 0
  const parts = states.map(({ symbol, color }, i) => {
    sum += shares[i] ?? 0
    const end = Math.min(width, Math.round(sum * width))
    const part = withSymbols(symbol, look).repeat(end - drawn)
    drawn = end
    return part && paint(part, color, look)
  })
  return parts.join('')
}

/** What the symbols mean, of the states that occur. */
export function legend(present: readonly State[], look: Look): string {
  return present.map(({ symbol, name }) => `${withSymbols(symbol, look)} ${name}`).join('  ')
}
