/** The terminal of stderr, and of stdout if it is the same: whole lines of ours beside data of others. */
import { fstatSync } from 'node:fs'
import type { WriteStream } from 'node:tty'

/** Whether other output has left an unfinished line before the cursor. */
let isWithinLine = false

/** Whether the cursor stands in the status line. */
let isDrawn = false

/** Whether nothing more is drawn in the status line. */
let isHidden = false

/** Writes to stderr past `watchTerminal`. */
let draw = (text: string): boolean => process.stderr.write(text)

/** Watches what is written to the terminal: it takes the place of the status line, and may leave a line unfinished. */
export function watchTerminal(): void {
  const { stdout, stderr } = process
  if (!stderr.isTTY) return
  draw = stderr.write.bind(stderr)
  const isShared = stdout.isTTY && fstatSync(1).rdev === fstatSync(2).rdev
  for (const stream of isShared ? [stderr, stdout] : [stderr]) watch(stream)
}

function watch(stream: WriteStream): void {
  const { write } = stream
  stream.write = (chunk: string | Uint8Array, ...rest: unknown[]) => {
    if (chunk.length > 0) {
      eraseStatus()
      isWithinLine = chunk.at(-1) !== (typeof chunk === 'string' ? '\n' : 10)
    }
    return Reflect.apply(write, stream, [chunk, ...rest])
  }
}

/** Notes that a terminal shows `^C` for the key that has interrupted. A status line covers it. */
export function noteInterrupt(): void {
  isWithinLine ||= process.stderr.isTTY && !isDrawn
}

/** Notes that the terminal shows again what it did before the alternate screen, where lines were drawn. */
export function noteRestored(): void {
  isWithinLine = false
}

/** Returns what must precede a line on stderr, so that it begins a line of its own. Erases the status line. */
export function freshLine(): string {
  eraseStatus()
  const start = isWithinLine ? '\n' : ''
  isWithinLine = false
  return start
}

const eraseFromHere = '\r\x1b[J' // also what a narrower terminal has wrapped
const cursor = ['\x1b[?25l', '\x1b[?25h']
const savedCursor = ['\x1b7', '\x1b8'] // restoring it would overwrite later lines

/** Erases the status line. What is written next begins at its place. */
export function eraseStatus(): void {
  if (isDrawn) draw(eraseFromHere)
  isDrawn = false
}

/** One line on stderr that is redrawn in place: the part of the terminal that a progress bar draws on. */
export const statusLine = {
  isTTY: true,
  get columns(): number {
    return process.stderr.columns || 80
  },
  /** Draws the line, unless other output has left an unfinished one. An LF ends the status line. */
  write(text: string): boolean {
    if (savedCursor.includes(text)) return true
    if (cursor.includes(text)) return draw(text)
    if (isWithinLine || isHidden) return true
    isDrawn = text !== '\n'
    return draw(text)
  },
  /** Erases the line. Nothing is drawn in it until `show`. */
  hide(): void {
    eraseStatus()
    isHidden = true
  },
  show(): void {
    isHidden = false
  },
  /** Ends an unfinished line of other output. */
  free(): void {
    if (isWithinLine) draw(freshLine())
  },
}
