/** A progress line on stderr, in the style of pv. */

import cliProgress, { type Options, type Params } from 'cli-progress'
import type { Source } from '../lib/endpoints/endpoint.js'
import { formatBytes } from '../lib/text/quantities.js'

const { Format, SingleBar } = cliProgress

export interface Progress {
  start(): void
  /** Erases the line, so that another one can be written. The next update restores it. */
  clear(): void
  stop(): void
}

/** The bar finally restores the saved cursor, which would overwrite later lines: save the current position instead (DECSC). */
const saveCursor = '\x1b7'

/** Milliseconds between updates of the line. */
const interval = 200

export function createProgress(source: Source, size: number | undefined): Progress {
  const bar = new SingleBar({
    format: (options, params, { rate }) => formatLine(options, params, rate, size),
    stream: process.stderr,
    barsize: 24,
    barCompleteString: '='.repeat(24),
    barIncompleteString: ' '.repeat(24),
    barGlue: '>',
    hideCursor: true,
    linewrap: true,
    forceRedraw: true,
    gracefulExit: false,
    clearOnComplete: false,
  })
  let timer: NodeJS.Timeout | undefined
  let started = 0
  let last = { time: 0, bytes: 0 }

  function rate(): number {
    const now = { time: performance.now(), bytes: source.bytesRead ?? 0 }
    const perSecond = ((now.bytes - last.bytes) * 1000) / Math.max(1, now.time - last.time)
    last = now
    return perSecond
  }

  function average(): number {
    return ((source.bytesRead ?? 0) * 1000) / Math.max(1, performance.now() - started)
  }

  return {
    start() {
      started = performance.now()
      last = { time: started, bytes: 0 }
      bar.start(size ?? 0, 0, { rate: 0 })
      timer = setInterval(() => bar.update(source.bytesRead ?? 0, { rate: rate() }), interval)
    },
    clear() {
      if (timer) process.stderr.write('\r\x1b[K')
    },
    /** The last line shows the average rate, like pv. */
    stop() {
      if (!timer) return
      clearInterval(timer)
      bar.update(source.bytesRead ?? 0, { rate: average() })
      process.stderr.write(saveCursor)
      bar.stop()
    },
  }
}

/** `1.20 GiB 0:00:03 [512.00 MiB/s] [====>     ] 42% ETA 0:00:04`; without a size only the first three fields. */
export function formatLine(options: Options, params: Params, rate: number, size: number | undefined): string {
  const elapsed = formatClock((Date.now() - params.startTime) / 1000)
  const line = `${formatBytes(params.value)} ${elapsed} [${formatBytes(Math.round(rate))}/s]`
  if (size === undefined) return line
  const part = size === 0 ? 1 : Math.min(1, params.value / size)
  const left = part === 1 ? formatClock(0) : rate > 0 ? formatClock((size - params.value) / rate) : '-:--:--'
  return `${line} [${Format.BarFormat(part, options)}] ${Math.floor(part * 100)}% ETA ${left}`
}

/** 3723 → `1:02:03`. */
export function formatClock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const two = (value: number) => String(value).padStart(2, '0')
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`
}
