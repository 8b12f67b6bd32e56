/** The progress of several transfers, as one line. */
import type { SendConnection } from '../lib/index.js'
import { createProgress } from './progress.js'
import type { Item } from './walk.js'

export interface TransferProgress {
  /** Called again if the transfer begins anew. */
  begin(connection: SendConnection): void
  reconnected(): void
  /** Also called for one that has not begun: it counts as done. */
  end(item: Item): void
  /** Removes the line: the log has the receipts. */
  stop(): void
}

/** `size` is that of stdin, or of everything, if it is known. */
export function transferProgress(
  items: readonly Item[],
  size: number | undefined,
  create = createProgress,
): TransferProgress {
  const sizes = items.map(item => item.size)
  const known = sizes.every(each => each !== undefined)
  const sum = known ? sizes.reduce((all: number, each) => all + (each as number), 0) : undefined
  let connection: SendConnection | undefined
  let [before, reconnects] = [0, 0]
  let isOpen = false

  const taken = () => connection?.stats().directions.find(({ direction }) => direction === 'forward')?.bytesIn ?? 0
  const progress = create({
    bytes: () => before + taken(),
    size: () => size ?? sum,
    note: () => (reconnects > 0 ? `${reconnects} reconnect${reconnects === 1 ? '' : 's'}` : ''),
  })
  return {
    begin(opened) {
      connection = opened
      if (!isOpen) progress.start()
      isOpen = true
    },
    reconnected() {
      reconnects++
    },
    end({ size }) {
      before += size ?? taken()
      connection = undefined
    },
    stop() {
      if (isOpen) progress.stop(true)
    },
  }
}
