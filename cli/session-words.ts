/** What log lines say about reliable transfers. */
import { count, size, time } from './amounts.js'

type LogRecord = Readonly<Record<string, unknown>>

/** The facts of a session, as the record of the end of its connection has them. */
interface Facts {
  readonly name?: string
  readonly reconnects?: number
  readonly sha256?: string
  readonly written?: { readonly bytes: number; readonly sha256: string }
  readonly skipped?: boolean
}

function factsOf({ session }: LogRecord): Facts {
  return typeof session === 'object' && session !== null ? session : {}
}

/** Digits that are shown of a digest; the fields of `-v` have all of them. */
const shown = 12

const short = (digest: string) => `${String(digest).slice(0, shown)}…`

/** A receipt: `photos/a.jpg  1.2 MiB  sha256 9f86d081884c…  0.4 s`. Undefined if there is none. */
export function receiptTexts(record: LogRecord): readonly string[] | undefined {
  const { sha256, written, skipped } = factsOf(record)
  const { bytesOut, bytesIn, duration, warnings } = record
  if (sha256 === undefined) return undefined
  const notes = [
    ...(skipped ? ['skipped: equal file is there'] : []),
    ...(written && written.sha256 !== sha256
      ? [`written ${size(written.bytes)}, sha256 ${short(written.sha256)}`]
      : []),
    ...(Number(bytesIn) > 0 ? [`received ${size(bytesIn)}`] : []),
    ...reconnectsOf(record),
    ...(Array.isArray(warnings) ? warnings : []),
  ]
  const name = subjectOf(record, true)
  return [[`${name}  ${size(bytesOut)}  sha256 ${short(sha256)}  ${time(duration)}`, ...notes].join('; ')]
}

/** What the receiver adds: `, sha256 9f86d081884c…; resumed at 1.2 MiB; 2 reconnects`. */
export function sessionNotes(record: LogRecord): string {
  const { sha256 } = factsOf(record)
  const { resumed } = (record.sink ?? {}) as { resumed?: number }
  const digest = sha256 === undefined ? '' : `, sha256 ${short(sha256)}`
  const notes = [
    ...(wasSkipped(record) ? ['equal file is there'] : []),
    ...(resumed ? [`resumed at ${size(resumed)}`] : []),
    ...reconnectsOf(record),
  ]
  return digest + notes.map(note => `; ${note}`).join('')
}

/** Whether the receiver had an equal file, and wrote nothing. */
export function wasSkipped({ sink }: LogRecord): boolean {
  return (sink as { skipped?: boolean } | undefined)?.skipped === true
}

function reconnectsOf(record: LogRecord): string[] {
  const target = (record.target ?? {}) as LogRecord
  const reconnects = (factsOf(record).reconnects ?? 0) + (factsOf(target).reconnects ?? 0)
  return reconnects > 0 ? [count(reconnects, 'reconnect')] : []
}

/** What the line of a connection is about: for the sender of a transfer its name, otherwise the peer. */
export function subjectOf(record: LogRecord, sender: unknown): string {
  return String(sender && record.session ? (factsOf(record).name ?? 'stdin') : record.remote)
}

/** A client that is no reliable one, or that was refused. */
export function notReliable(remote: unknown, error: string): string {
  const [, why] = /^the other end is not reliable: (.*)$/s.exec(error) ?? []
  return why
    ? `${remote} is not reliable: ${why}; it needs send --reliable`
    : `${remote} refused: ${error.replace(/^refused: /, '')}`
}

/** Why a transfer was not sent. */
export function refusalWords(error: string): string {
  return error.replace(/^refused: /, 'the receiver refused it: ')
}

/** A sender has found that an earlier file, or part of one, is not its own: it comes again, and sends everything. */
export function restartTexts(record: LogRecord): readonly string[] | undefined {
  const { file } = (record.sink ?? {}) as { file?: string }
  const isOther = /^the sender failed: digest mismatch: the receiver has other bytes/.test(String(record.error))
  return isOther ? [`${record.remote} has other data than ${file ?? 'what is here'}, and begins anew`] : undefined
}
