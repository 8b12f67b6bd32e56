/** A progress line on stderr, in the style of pv. */

import cliProgress from 'cli-progress'
import type { Connection, Summary } from '../lib/index.js'
import { formatBytes } from '../lib/text/quantities.js'
import { eraseStatus, freshLine, statusLine } from './terminal.js'

const { Format, SingleBar } = cliProgress

/** What is shown. */
export interface Figures {
  bytes(): number
  /** The bytes in the end; undefined if unknown. */
  size(): number | undefined
  /** What else to say, after the figures. */
  note?(): string
}

export interface Progress {
  start(): void
  /** Removes the line if the log has reported the end. Otherwise, its last form has the average rate. */
  stop(isReported: boolean): void
}

/** Milliseconds until the line appears: a shorter transfer needs none. */
const patience = 1000

/** Milliseconds that a rate is measured for. */
const interval = 200

export function createProgress({ bytes, size, note = () => '' }: Figures): Progress {
  let timer: NodeJS.Timeout | undefined
  let bar: InstanceType<typeof SingleBar> | undefined
  let isOver = false
  const meter = rateMeter(bytes)
  const format = () =>
    formatLine({ bytes: bytes(), size: isOver ? undefined : size(), note: note(), ...meter.now() }, statusLine.columns)

  const redraw = () => {
    eraseStatus()
    bar?.render()
  }
  const begin = () => {
    bar = new SingleBar({
      ...{ format, stream: statusLine as unknown as NodeJS.WriteStream, fps: 1000 / interval, forceRedraw: true },
      ...{ hideCursor: true, linewrap: true, gracefulExit: false, clearOnComplete: false },
    })
    bar.on('redraw-post', () => statusLine.write('\r')) // where a narrower terminal does not wrap the cursor along
    bar.start(0, 0)
    process.stderr.on('resize', redraw)
  }

  return {
    start() {
      meter.start()
      timer = setTimeout(isDumb() ? () => {} : begin, patience)
    },
    stop(isReported) {
      clearTimeout(timer)
      process.stderr.off('resize', redraw)
      meter.finish()
      isOver = true
      if (isDumb() && !isReported && meter.now().elapsed >= patience)
        process.stderr.write(`${freshLine()}${format()}\n`)
      if (!bar) return
      if (isReported) statusLine.hide()
      else statusLine.free()
      bar.stop()
      statusLine.show()
      bar = undefined
    },
  }
}

/** A terminal that cannot move its cursor shows only the last line. */
function isDumb(): boolean {
  return process.env.TERM === 'dumb'
}

/**
 * Shows the connections of a server: a line from the first that opens to the last that ends. `bytes` returns those of a
 * connection, `size` is what each of them has in the end, and `isReported` whether the log has reported the end.
 */
export function connectionsProgress(
  bytes: (connection: Connection) => number,
  size: number | undefined,
  isReported: (summary: Summary) => boolean,
) {
  const open = new Set<Connection>()
  let progress: Progress | undefined
  let [before, clients] = [0, 0] // the bytes of those that have ended, and the number of all

  const figures: Figures = {
    bytes: () => [...open].reduce((sum, each) => sum + bytes(each), before),
    size: () => size && size * clients,
  }
  return {
    watch(connection: Connection): void {
      clients++
      open.add(connection)
      if (!progress) {
        progress = createProgress(figures)
        progress.start()
      }
      void connection.closed.then(summary => {
        open.delete(connection)
        before += bytes(connection)
        if (open.size > 0) return
        progress?.stop(isReported(summary))
        progress = undefined
        before = clients = 0
      })
    },
  }
}

interface Rate {
  /** Milliseconds since the start. */
  readonly elapsed: number
  /** Bytes per second: at present, or in the end the average. */
  readonly rate: number
}

function rateMeter(bytes: () => number): { start(): void; finish(): void; now(): Rate } {
  let started = 0
  let last = { time: 0, bytes: 0 }
  let rate = 0
  let isOver = false

  function since(before: { time: number; bytes: number }): number {
    return ((bytes() - before.bytes) * 1000) / Math.max(1, performance.now() - before.time)
  }

  return {
    start() {
      started = performance.now()
      last = { time: started, bytes: 0 }
    },
    finish() {
      isOver = true
    },
    now() {
      const time = performance.now()
      if (isOver) rate = since({ time: started, bytes: 0 })
      else if (time - last.time >= interval / 2) {
        rate = since(last)
        last = { time, bytes: bytes() }
      }
      return { elapsed: time - started, rate }
    },
  }
}

/** The longest and the shortest bar, without its brackets. */
const bars = { most: 25, least: 5 }

/**
 * `1.20 GiB 0:00:03 [512.00 MiB/s] [====>     ] 42% ETA 0:00:04`; without a size only the first three fields. In a
 * narrow window the bar shrinks first, then the time, the rate and the bytes are left out.
 */
export function formatLine(
  { note = '', ...figures }: Rate & Amount & { readonly note?: string },
  columns: number,
): string {
  const end = note && `, ${note}`
  const line = formatFigures(figures, columns - end.length)
  return line.length + end.length < columns ? line + end : formatFigures(figures, columns)
}

interface Amount {
  readonly bytes: number
  readonly size: number | undefined
}

function formatFigures({ bytes, size, elapsed, rate }: Rate & Amount, columns: number): string {
  const [amount, speed] = [formatBytes(bytes), `[${formatBytes(Math.round(rate))}/s]`]
  const forms = [[amount, formatClock(elapsed / 1000), speed], [amount, speed], [amount]]
  const room = columns - 1 // a full line could wrap
  if (size === undefined) return forms.map(form => form.join(' ')).find(({ length }) => length <= room) ?? amount
  const part = size === 0 ? 1 : Math.min(1, bytes / size)
  const left = part === 1 ? formatClock(0) : rate > 0 ? formatClock((size - bytes) / rate) : '-:--:--'
  const end = `${Math.floor(part * 100)}% ETA ${left}`
  const [whole = ''] = forms.map(form => form.join(' '))
  const space = Math.min(bars.most, room - `${whole} [] ${end}`.length)
  if (space >= bars.least) return `${whole} [${formatBar(part, space)}] ${end}`
  return forms.map(form => [...form, end].join(' ')).find(({ length }) => length <= room) ?? end
}

function formatBar(part: number, length: number): string {
  const barsize = length - 1
  const strings = { barCompleteString: '='.repeat(barsize), barIncompleteString: ' '.repeat(barsize) }
  return Format.BarFormat(part, { ...strings, barsize, barGlue: '>' })
}

/** 3723 → `1:02:03`. */
export function formatClock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const two = (value: number) => String(value).padStart(2, '0')
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`
}
