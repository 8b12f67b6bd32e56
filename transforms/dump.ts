import { canonicalRows, coloredRows } from '../lib/formats/hex-dump.js'
import {
  blockBytes,
  bytes,
  type ConnectionInfo,
  choice,
  defineTransform,
  formatRemote,
  integer,
  text,
} from '../lib/stages/define.js'
import { checkFile, fileFlags, fileNotes, pathSummary, sideFile } from '../lib/stages/side-file.js'
import { escapeLine } from '../lib/text/escape.js'
import { formatDuration } from '../lib/text/quantities.js'

/** Shows each chunk in hex and as text, on stderr or in a file; the bytes pass unchanged. */
export const dump = defineTransform({
  name: 'dump',
  summary: 'show each chunk in hex and as text',
  group: 'inspect',
  unit: 'bytes',
  options: {
    width: integer('bytes per row', { min: 1, max: 256, default: 16 }),
    max: bytes('maximum number of bytes shown per chunk; 0 shows only its heading; default: all'),
    color: choice(
      'color bytes by class; auto: if stderr is a terminal with color support',
      ['auto', 'always', 'never'],
      {
        default: 'auto',
      },
    ),
    file: text(`${pathSummary}; default: stderr`),
    ...fileFlags,
  },
  check({ file, append, force }) {
    if (file === undefined && (append || force)) return `${append ? 'append' : 'force'} needs file`
    return checkFile({ file, append, force })
  },
  example: { spec: 'dump', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'Each chunk is shown before it passes:\n\n' +
    '```\n→ hofis0y8xl 127.0.0.1:59996 +1.2ms 20 bytes\n' +
    '00000000  47 45 54 20 2f 20 48 54  54 50 2f 31 2e 31 0d 0a  |GET / HTTP/1.1..|\n' +
    '00000010  0d 0a 0d 0a                                       |....|\n```\n\n' +
    'The heading shows the direction (`→` forward, `←` reply), the id and the peer of the connection, the time ' +
    'since the previous chunk, and the size. The offset counts all bytes of the direction. A chunk of more than 64 ' +
    'KiB is shown in parts, each with a heading. Everything except printable ASCII is shown as `.`, so that nothing ' +
    'from the network controls a terminal. In color, NUL is gray, white space green, printable cyan, control ' +
    'magenta, and non-ASCII yellow.\n\n' +
    `On stderr, the bytes wait while stderr is full; a closed stderr stops no connection. ${fileNotes} With ` +
    '`append=true` both directions can share a file.',
  create({ width, max = Number.POSITIVE_INFINITY, color, file, append, force }, { connection }) {
    const output = file === undefined ? undefined : sideFile('dump', file, { append, force }, connection)
    const show = output?.write ?? showOnStderr
    const colored = color === 'always' || (color === 'auto' && !output && hasColors())
    const blocks = blocksOf(width, max, colored, connection)

    function* write(chunk: Buffer): Generator<Buffer | Promise<void>> {
      for (const block of blocks(chunk)) {
        const waiting = show(block)
        if (waiting) yield waiting
      }
      yield chunk
    }

    return { write, flush: () => output?.open(), destroy: () => output?.close() }
  },
})

/** Formats a chunk in blocks, so that a large chunk does not take ten times its size at once. */
function blocksOf(width: number, max: number, colored: boolean, connection: ConnectionInfo | undefined) {
  const rows = colored ? coloredRows(width) : canonicalRows(width)
  const blockSize = blockBytes - (blockBytes % width)
  const from = origin(connection)
  let offset = 0
  let last: number | undefined

  function heading(text: string): string {
    return colored ? `\x1b[1m${from} ${text}\x1b[22m\n` : `${from} ${text}\n`
  }

  function first(chunk: Buffer): string {
    const now = performance.now()
    const elapsed = formatElapsed(now - (last ?? now))
    last = now
    return `+${elapsed} ${formatCount(chunk.length)}`
  }

  return function* (chunk: Buffer): Generator<Buffer> {
    const shown = Math.min(chunk.length, max)
    const rest = shown > 0 && shown < chunk.length ? `… ${formatCount(chunk.length - shown)} more\n` : ''
    let text = heading(first(chunk))
    let at = 0
    do {
      const end = Math.min(at + blockSize, shown)
      const block = [
        Buffer.from(text),
        rows(chunk.subarray(at, end), offset + at),
        Buffer.from(end < shown ? '' : rest),
      ]
      yield Buffer.concat(block)
      text = heading('continued')
      at = end
    } while (at < shown)
    offset += chunk.length
  }
}

/** `→ c1 127.0.0.1:4000`; outside a connection only the arrow. */
function origin(connection: ConnectionInfo | undefined): string {
  const arrow = connection?.direction === 'reply' ? '←' : '→'
  return connection ? `${arrow} ${connection.id} ${escapeLine(formatRemote(connection))}` : arrow
}

function formatElapsed(milliseconds: number): string {
  const tenths = milliseconds.toFixed(1)
  return Number(tenths) < 1000 ? `${tenths}ms` : formatDuration(Number(tenths))
}

function formatCount(count: number): string {
  return count === 1 ? '1 byte' : `${count} bytes`
}

/** Asks Node, which respects NO_COLOR. Only a terminal has the method. */
function hasColors(): boolean {
  return process.stderr.hasColors?.() ?? false
}

const guarded = new WeakSet<object>()

/** Returns a promise to wait for if stderr is full. A closed stderr is ignored. */
function showOnStderr(block: Buffer): Promise<void> | undefined {
  const { stderr } = process
  if (!guarded.has(stderr)) guarded.add(stderr.on('error', () => {}))
  let full = false
  const taken = new Promise<void>(resolve => {
    full = !stderr.write(block, () => resolve())
  })
  return full ? taken : undefined
}
