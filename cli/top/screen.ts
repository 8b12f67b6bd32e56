/** The terminal while `top` runs: the alternate screen without a cursor, and keys as they are pressed. */
import { writeSync } from 'node:fs'
import { emitKeypressEvents } from 'node:readline'
import { createLogUpdate } from 'log-update'
import { noteRestored } from '../terminal.js'
import type { Key } from './view.js'

export interface Screen {
  /** The size of a frame: the last line of the terminal stays free, since the cursor stands there. */
  readonly columns: number
  readonly rows: number
  draw(lines: readonly string[]): void
  /** Restores the terminal. */
  close(): void
}

export interface Handlers {
  onKey(key: Key): void
  /** The size has changed, or the process continues after a stop: what was drawn is gone. */
  onChange(): void
  /** The terminal is gone. */
  onLost(): void
}

const enter = '\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J'
const leave = '\x1b[?25h\x1b[?1049l'
const clear = '\x1b[H\x1b[2J'

/** log-update would hide the cursor by a package that takes over the signals of the process. */
const showCursor = true

export function openScreen({ onKey, onChange, onLost }: Handlers): Screen {
  const { stdin, stdout } = process
  const update = createLogUpdate(stdout, { showCursor })
  let isOpen = true

  const key = (_text: unknown, key: Key) => onKey(key)
  const change = () => {
    write(clear)
    update.done()
    onChange()
  }
  const resume = () => {
    if (stdin.isTTY) stdin.setRawMode(false).setRawMode(true) // the shell has changed it
    write(enter)
    update.done()
    onChange()
  }
  const close = () => {
    if (!isOpen) return
    isOpen = false
    process.off('exit', close).off('SIGCONT', resume)
    stdout.off('resize', change)
    stdin.off('keypress', key).off('end', onLost).off('error', onLost)
    if (stdin.isTTY) stdin.setRawMode(false)
    stdin.pause()
    write(leave)
    noteRestored()
  }

  process.once('exit', close).on('SIGCONT', resume) // also after a crash
  write(enter)
  stdout.on('resize', change)
  if (stdin.isTTY) {
    emitKeypressEvents(stdin)
    stdin.on('keypress', key).on('end', onLost).on('error', onLost)
    stdin.setRawMode(true).resume()
  }
  return {
    get columns() {
      return stdout.columns || 80
    },
    get rows() {
      return (stdout.rows || 24) - 1
    },
    draw: lines => isOpen && update(lines.join('\n')),
    close,
  }
}

/** At once, even if the process is about to end. Where this fails there is no terminal to restore. */
function write(text: string): void {
  try {
    writeSync(process.stdout.fd, text)
  } catch {
    // it is gone, or full
  }
}
