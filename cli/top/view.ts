/** What the keys have chosen: a pure function from a view and a key to the next view. */

export type Ending = 'close' | 'reset'

export interface View {
  /** The number of the selected connection; undefined for the first one, whichever that is. */
  readonly selected: number | undefined
  /** Whether only the selected connection is shown. */
  readonly isOpen: boolean
  /** What waits for `y`. */
  readonly asks: { readonly method: Ending; readonly connection: number } | undefined
  /** Shown once, such as what a request came to. */
  readonly note: string | undefined
}

export const firstView: View = { selected: undefined, isOpen: false, asks: undefined, note: undefined }

/** What is to be done. */
export type Action = 'quit' | { readonly method: Ending; readonly connection: number }

/** A key as `node:readline` names it. */
export interface Key {
  readonly name?: string | undefined
  readonly ctrl?: boolean | undefined
}

/** `numbers` are those of the connections, in the order in which they are shown. */
export function press(view: View, { name, ctrl }: Key, numbers: readonly number[]): [View, Action?] {
  const { asks } = view
  const next = { ...view, asks: undefined, note: undefined }
  if (ctrl) return name === 'c' ? [next, 'quit'] : [view]
  if (asks) return name === 'y' ? [next, asks] : [{ ...next, note: `${asks.method}: not done` }]
  if (name === 'q') return [next, 'quit']
  const at = indexOf(view, numbers)
  const connection = numbers[at]
  if (connection === undefined) return [next]
  const select = (index: number): [View] => [{ ...next, selected: numbers[clamp(index, numbers.length)] }]
  switch (name) {
    case 'up':
      return select(at - 1)
    case 'down':
      return select(at + 1)
    case 'home':
      return select(0)
    case 'end':
      return select(numbers.length - 1)
    case 'return':
    case 'enter':
    case 'right':
      return [{ ...next, selected: connection, isOpen: true }]
    case 'left':
    case 'escape':
    case 'backspace':
      return [{ ...next, isOpen: false }]
    case 'k':
      return [{ ...next, selected: connection, asks: { method: 'close', connection } }]
    case 'r':
      return [{ ...next, selected: connection, asks: { method: 'reset', connection } }]
    default:
      return [view]
  }
}

/** The view after the connections have changed. One that has ended is not selected any more. */
export function follow(view: View, numbers: readonly number[]): View {
  const { selected, asks } = view
  if (selected === undefined || numbers.includes(selected)) return view
  const note = view.note ?? `connection ${selected} has ended`
  return { ...view, selected: undefined, isOpen: false, asks: asks?.connection === selected ? undefined : asks, note }
}

/** The place of the selected connection, otherwise the first. */
export function indexOf({ selected }: View, numbers: readonly number[]): number {
  return selected === undefined ? 0 : Math.max(0, numbers.indexOf(selected))
}

function clamp(index: number, length: number): number {
  return Math.min(Math.max(0, index), length - 1)
}
