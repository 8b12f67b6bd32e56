import { canonicalRows, coloredRows, rowColumns } from '../lib/formats/hex-dump.js'
import { recognize } from '../lib/formats/protocol.js'
import { readable, textRows } from '../lib/formats/text-dump.js'
import {
  blockBytes,
  bytes,
  type ConnectionInfo,
  choice,
  defineTransform,
  flag,
  formatRemote,
  integer,
  text,
} from '../lib/stages/define.js'
import { exchangeOf } from '../lib/stages/exchange.js'
import { checkFile, fileFlags, fileNotes, pathSummary, sideFile } from '../lib/stages/side-file.js'
import { hasColor } from '../lib/text/color.js'
import { clip } from '../lib/text/columns.js'
import { escapeLine } from '../lib/text/escape.js'
import { formatDuration } from '../lib/text/quantities.js'

/** Shows each chunk in hex and as text, on stderr or in a file; the bytes pass unchanged. */
export const dump = defineTransform({
  name: 'dump',
  summary: 'show each chunk in hex and as text',
  group: 'inspect',
  unit: 'bytes',
  options: {
    text: flag('show the text instead of the hex columns, with escapes for control characters'),
    brief: flag('show each chunk in one line: direction, time, size and first characters'),
    max: bytes('maximum number of bytes shown per chunk; off: all', { default: 512, off: true }),
    width: integer('bytes per row; default: 16, or 8, 4 … if the terminal is too narrow', { min: 1, max: 256 }),
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
  check({ text, brief, width, file, append, force }) {
    if (text && brief) return 'text and brief exclude each other'
    if (width !== undefined && (text || brief)) return `width and ${text ? 'text' : 'brief'} exclude each other`
    if (file === undefined && (append || force)) return `${append ? 'append' : 'force'} needs file`
    return checkFile({ file, append, force })
  },
  example: { spec: 'dump', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'Each chunk is shown before it passes:\n\n' +
    '```\n→ hofis0y8xl 127.0.0.1:59996 +1.2 ms 18 bytes · HTTP GET /\n' +
    '00000000  47 45 54 20 2f 20 48 54  54 50 2f 31 2e 31 0d 0a  |GET / HTTP/1.1..|\n' +
    '00000010  0d 0a                                             |..|\n```\n\n' +
    'The heading shows the direction (`→` forward, `←` reply), the id and the peer of the connection, the time ' +
    'since the previous chunk, and the size. If both directions are dumped, the previous chunk is that of either ' +
    'direction, so a reply shows the time since its request. If the chunk begins with an HTTP/1 message, a TLS record ' +
    'or a RESP value (Redis), the heading names it. The offset counts all bytes of the direction. With `max=off` a ' +
    'chunk of more than 64 KiB is shown in parts, each with a heading.\n\n' +
    'In the hex dump, everything except printable ASCII is shown as `.`, so that nothing from the network controls a ' +
    'terminal. In color, NUL is gray, white space green, printable cyan, control magenta, and non-ASCII yellow. With ' +
    '`text=true` or `brief=true`, control characters are escaped as `escape all=true` does, and a byte that is no ' +
    'UTF-8 becomes `\\xNN`, also the parts of a character that chunks split:\n\n' +
    '```\n→ hofis0y8xl 127.0.0.1:59996 +1.2 ms 18 bytes · HTTP GET /\n  GET / HTTP/1.1\\r\\n\n  \\r\\n\n```\n\n' +
    '`brief=true` fits a line to the terminal, elsewhere to 80 columns:\n\n' +
    '```\n→ :59996 +1.2 ms 18 bytes · HTTP GET / · GET / HTTP/1.1\\r\\n\\r\\n\n```\n\n' +
    'On a terminal, such a line and a heading that does not fit have the port of the peer in place of its id and its ' +
    'address, so that it can be found in the lines of the log.\n\n' +
    `On stderr, the bytes wait while stderr is full; a closed stderr stops no connection. ${fileNotes} With ` +
    '`append=true` both directions can share a file.',
  create({ color, file, append, force, ...view }, { connection }) {
    const output = file === undefined ? undefined : sideFile('dump', file, { append, force }, connection)
    const show = output?.write ?? showOnStderr
    const colored = color === 'always' || (color === 'auto' && !output && hasColor(process.stderr, process.env))
    const columns = output ? unlimited : terminalColumns
    const blocks = blocksOf({ ...view, colored, columns }, connection)

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

interface View {
  readonly text: boolean
  readonly brief: boolean
  /** Bytes; 0 is no limit. */
  readonly max: number
  readonly width: number | undefined
  readonly colored: boolean
  /** The columns that a line may take now. */
  columns(): number
}

/** Formats a chunk in blocks, so that a large chunk does not take ten times its size at once. */
function blocksOf(view: View, connection: ConnectionInfo | undefined): (chunk: Buffer) => Iterable<Buffer> {
  const describe = describer(connection)
  const { arrow, id, whole: name, short } = origin(connection)
  const bodyNow = view.text ? () => textBody(view) : hexBody(view)
  const max = view.max || Number.POSITIVE_INFINITY
  let offset = 0

  function heading(about: string): string {
    const whole = `${arrow}${name} ${about}`
    const fitting = whole.length > view.columns() ? clip(`${arrow}${short} ${about}`, view.columns()) : whole
    return `${bold(fitting, view)}\n`
  }

  function* blocks(chunk: Buffer): Generator<Buffer> {
    const shown = Math.min(chunk.length, max)
    const rest = shown < chunk.length ? `… ${formatCount(chunk.length - shown, ' more')}\n` : ''
    const { rows, size } = bodyNow()
    let text = heading(describe(chunk))
    for (let at = 0; at < shown; at += size) {
      const end = Math.min(at + size, shown)
      const last = end < shown ? '' : rest
      yield Buffer.concat([Buffer.from(text), rows(chunk.subarray(at, end), offset + at), Buffer.from(last)])
      text = heading('continued')
    }
    offset += chunk.length
  }

  function* line(chunk: Buffer): Generator<Buffer> {
    const isOnTerminal = Number.isFinite(view.columns())
    const columns = isOnTerminal ? view.columns() : lineColumns
    const start = `${arrow}${isOnTerminal ? short : id} ${describe(chunk)}`
    const whole = clip(`${start} · ${readable(chunk.subarray(0, 4 * columns))}`, columns)
    yield Buffer.from(`${bold(whole.slice(0, start.length), view)}${whole.slice(start.length)}\n`)
  }

  return view.brief ? line : blocks
}

/** The columns of a line of `brief` where the output is not a terminal. */
const lineColumns = 80

/** The rows of a chunk, and how many of its bytes they take at once. */
interface Body {
  readonly rows: (bytes: Buffer, offset: number) => Buffer
  readonly size: number
}

function textBody({ columns }: View): Body {
  return { rows: part => Buffer.from(textRows(part, columns())), size: blockBytes }
}

/** Without a given width the rows fit the terminal, whose size can change. */
function hexBody({ width, colored, columns }: View): () => Body {
  let last: (Body & { readonly width: number }) | undefined
  return () => {
    const now = width ?? [16, 8, 4, 2].find(each => rowColumns(each) <= columns()) ?? 1
    if (last?.width !== now) {
      const rows = colored ? coloredRows(now) : canonicalRows(now)
      last = { rows, size: blockBytes - (blockBytes % now), width: now }
    }
    return last
  }
}

/** What the heading says of a chunk: `+1.2 ms 20 bytes · HTTP GET /`. */
function describer(connection: ConnectionInfo | undefined): (chunk: Buffer) => string {
  const { direction = 'forward' } = connection ?? {}
  const exchange = exchangeOf(connection)
  const other = direction === 'forward' ? 'reply' : 'forward'
  let last: number | undefined

  function elapsed(): string {
    const now = performance.now()
    const before = Math.max(last ?? 0, exchange.passed[other] ?? 0) || now
    last = now
    exchange.passed[direction] = now
    return formatElapsed(now - before)
  }

  function label(chunk: Buffer): string {
    const found = recognize(chunk, direction === 'reply' && exchange.protocol === 'RESP')
    exchange.protocol = found?.protocol ?? exchange.protocol
    return found ? ` · ${found.label}` : ''
  }

  return chunk => `+${elapsed()} ${formatCount(chunk.length)}${label(chunk)}`
}

/**
 * ` c1`, ` c1 127.0.0.1:4000` and, for a terminal, ` :4000`, which the lines of the log have, too. Outside a connection only
 * the arrow.
 */
function origin(connection: ConnectionInfo | undefined): { arrow: string; id: string; whole: string; short: string } {
  const arrow = connection?.direction === 'reply' ? '←' : '→'
  if (!connection) return { arrow, id: '', whole: '', short: '' }
  const id = ` ${connection.id}`
  const short = connection.port === undefined ? id : ` :${connection.port}`
  return { arrow, id, whole: `${id} ${escapeLine(formatRemote(connection))}`, short }
}

function bold(text: string, { colored }: View): string {
  return colored ? `\x1b[1m${text}\x1b[22m` : text
}

function formatElapsed(milliseconds: number): string {
  const tenths = milliseconds.toFixed(1)
  if (Number(tenths) < 1000) return `${tenths} ms`
  return milliseconds < 59_950 ? `${(milliseconds / 1000).toFixed(1)} s` : formatDuration(Number(tenths))
}

/** 3904 → `3,904 bytes`. */
function formatCount(count: number, more = ''): string {
  return `${String(count).replace(/\B(?=(\d{3})+$)/g, ',')}${more} ${count === 1 ? 'byte' : 'bytes'}`
}

/** A terminal may report no size. */
function terminalColumns(): number {
  return process.stderr.isTTY ? process.stderr.columns || 80 : Number.POSITIVE_INFINITY
}

const unlimited = () => Number.POSITIVE_INFINITY

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
