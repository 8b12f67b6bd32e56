/** One line on stderr that is redrawn in place, on a terminal that other output shares. */
import { fstatSync } from 'node:fs'
import type { WriteStream } from 'node:tty'

/** The part of a terminal that a progress bar draws on. */
export interface StatusLine {
  readonly isTTY: true
  readonly columns: number
  /** Draws, unless the cursor stands behind an unfinished line of somebody else. */
  write(text: string): boolean
  /** Erases the line. What is written next begins at its place, and ends in LF. */
  erase(): void
  /** Ends an unfinished line of somebody else. */
  free(): void
  /** Stops watching what others write. */
  release(): void
}

const eraseFromHere = '\r\x1b[J' // also what a narrower terminal has wrapped
const cursor = ['\x1b[?25l', '\x1b[?25h']
const savedCursor = ['\x1b7', '\x1b8'] // restoring it would overwrite later lines

/** Watches stderr, and stdout if it is the same terminal: what is written there erases the line first. */
export function openStatusLine(): StatusLine {
  const { stdout, stderr } = process
  const draw = stderr.write.bind(stderr)
  let isDrawn = false
  let isFree = true

  function erase(): void {
    if (isDrawn) draw(eraseFromHere)
    isDrawn = false
  }

  const shared = isSameTerminal() ? [stderr, stdout] : [stderr]
  const restore = shared.map(stream =>
    watchWrites(stream, endsLine => {
      erase()
      isFree = endsLine
    }),
  )
  return {
    isTTY: true,
    get columns() {
      return stderr.columns || 80
    },
    write(text) {
      if (savedCursor.includes(text)) return true
      if (cursor.includes(text)) return draw(text)
      if (!isFree) return true
      isDrawn = true
      return draw(text)
    },
    erase() {
      erase()
      isFree = true
    },
    free() {
      if (!isFree) draw('\n')
      isFree = true
    },
    release() {
      for (const each of restore) each()
    },
  }
}

/** Calls `before` with each write, and whether its text ends a line. Returns a function that ends this. */
function watchWrites(stream: WriteStream, before: (endsLine: boolean) => void): () => void {
  const { write } = stream
  const watched = (chunk: Uint8Array | string, ...rest: []) => {
    if (chunk.length > 0) before(chunk.at(-1) === 10 || chunk.at(-1) === '\n')
    return write.call(stream, chunk, ...rest)
  }
  stream.write = watched
  return () => {
    stream.write = write
  }
}

function isSameTerminal(): boolean {
  return process.stdout.isTTY && fstatSync(1).rdev === fstatSync(2).rdev
}
