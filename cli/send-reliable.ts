/** `tcp-pipe send --reliable`: one transfer after another over one connection, each with a receipt. */
import { stat } from 'node:fs/promises'
import { isatty } from 'node:tty'
import type { Command } from 'commander'
import type { Source } from '../lib/endpoints/endpoint.js'
import { sourceAt } from '../lib/endpoints/open.js'
import { isRefused } from '../lib/endpoints/session/dial.js'
import { type SendConnection, type SendReceipt, transferLinks } from '../lib/index.js'
import { checkSendOptions } from '../lib/send/options.js'
import { isSendError } from '../lib/send/send-error.js'
import { send } from '../lib/send.js'
import { errorCode, errorMessage, TcpPipeError } from '../lib/text/errors.js'
import { noteTyped } from './chat.js'
import { type Log, type Logger, openLog } from './log.js'
import type { Plan } from './plan.js'
import { onClosedStdout, onSignals } from './process.js'
import { openReceipts, type Receipts } from './receipts.js'
import { resumeKey } from './resume-key.js'
import type { Given, Options } from './send-options.js'
import { openPage } from './send-page.js'
import { type TransferProgress, transferProgress } from './send-progress.js'
import { withStats } from './stats.js'
import { warnIfInsecure } from './tls.js'
import { type Item, type Operand, operandsOf, walk } from './walk.js'

export async function reliablePlan(command: Command, options: Options, given: Given, files: string[]): Promise<Plan> {
  check(options)
  const operands = await operandsOf(files, options.name)
  checkOperands(options, operands)
  const { window, giveUpAfter, linkTimeout, transform } = options
  const reliable: Given = {
    ...given,
    ...{ reliable: true, window, giveUpAfter, linkTimeout },
    ...(transform ? {} : { transforms: undefined }), // without stages, the receiver gets the size of a file
  }
  const address = checkSendOptions(reliable)
  return {
    command,
    facts: async () => (await import('./send-explanation.js')).sendFacts(command, options, reliable, address, files),
    run: () => run(options, reliable, operands),
  }
}

/** Rejects what contradicts the receipt, which comes after our end. */
function check({ receiveOnly, onEof, onPeerEnd }: Options): void {
  const given = {
    '--receive-only': receiveOnly,
    [`--on-eof ${onEof}`]: onEof && onEof !== 'half-close',
    '--on-peer-end stop': onPeerEnd === 'stop',
  }
  const [name] = Object.entries(given).find(([, value]) => value) ?? []
  if (name) fault(`--reliable and ${name} exclude each other: everything is sent, and then the receiver confirms it`)
}

function checkOperands({ preserve, ui }: Options, operands: readonly Operand[]): void {
  if (preserve && operands.every(({ path }) => path === undefined))
    fault('--preserve needs a file: stdin has no permissions and no times')
  if (ui && (operands.length > 1 || operands[0]?.isFolder))
    fault('--ui shows a single transfer; expected one file, or stdin')
}

/** What all transfers of a call share. */
interface Sending {
  readonly given: Given
  readonly options: Options
  readonly log: Logger
  readonly receipts: Receipts | undefined
  readonly key: string | undefined
  readonly progress: TransferProgress | undefined
  readonly abort: AbortController
  readonly connected: (connection: SendConnection) => void
  current: SendConnection | undefined
  isStopped: boolean
}

async function run(options: Options, given: Given, operands: readonly Operand[]): Promise<void> {
  const logging = openLog(options, { sender: { ending: () => 'received' } })
  const { log } = logging
  const receipts = options.receipt === undefined ? undefined : await openReceipts(options.receipt)
  warnIfInsecure(log, options)
  const { page, connected } = await openPage(options, logging)
  const items = await walk(operands, (file, why) => {
    log.warn({ file, why }, 'skipped')
    process.exitCode = 1
  })
  if (items.length === 0) log.warn('there is no file to send')
  const sending: Sending = {
    ...{ options, log, receipts, connected, current: undefined, isStopped: false },
    given: { ...given, ...(await withStats(options, onlyFirst(logging))) },
    key: items.some(({ size }) => size !== undefined) ? await resumeKey(log) : undefined,
    progress: await openProgress(options, items),
    abort: new AbortController(),
  }
  watchStdout(sending, logging)
  const over = sendAll(sending, items).finally(async () => {
    sending.progress?.stop()
    page?.close()
    await receipts?.close()
  })
  const stop = onSignals({
    reset(signal) {
      interrupt(sending, `interrupted by ${signal}`)
      return over
    },
  })
  await over
  stop()
}

/** All transfers share one connection: a person sees once that it has opened. */
function onlyFirst({ observer }: Log): Log['observer'] {
  let isOpen = false
  return {
    opened(connection) {
      if (!isOpen) observer.opened?.(connection)
      isOpen = true
    },
  }
}

function watchStdout(sending: Sending, { log, mute }: Log): void {
  onClosedStdout(log, mute, () => {
    sending.isStopped = true
  })
}

/** An end would tell the receiver that it has everything. */
function interrupt(sending: Sending, reason: string): void {
  sending.isStopped = true
  sending.current?.reset(reason)
  sending.abort.abort()
}

async function sendAll(sending: Sending, items: readonly Item[]): Promise<void> {
  const links = transferLinks()
  let left = items.length
  for (const item of items) {
    if (sending.isStopped) break
    left--
    await sendOne(sending, item, { ...sending.given, links })
  }
  links.end()
  if (left > 0) sending.log.error({ files: left }, 'not all sent')
}

async function sendOne(sending: Sending, item: Item, given: Given): Promise<void> {
  const { log, progress, abort, key } = sending
  const { path, name } = item
  let source: Source | undefined
  try {
    if (path === undefined) source = sourceAt({ scheme: 'stdio' })
    const receipt = await send({
      ...{ ...given, log, signal: abort.signal, name, resumeKey: key },
      ...(await kept(sending, item)),
      reliable: true,
      from: source ?? { scheme: 'file', path: path as string },
      onConnect(connection) {
        sending.current = connection
        sending.connected(connection)
        progress?.begin(connection)
        if (source) noteTyped(log, source)
      },
      onReconnect: () => progress?.reconnected(),
    })
    await confirm(sending, receipt)
  } catch (error) {
    failed(sending, item, error as Error)
  }
  source?.destroy()
  progress?.end(item)
  sending.current = undefined
}

/** What the receiver gives to its file. */
async function kept({ options }: Sending, { path }: Item): Promise<{ mode?: number; mtime?: number }> {
  if (!options.preserve || path === undefined) return {}
  const { mode, mtimeMs } = await stat(path)
  return { mode: mode & 0o777, mtime: mtimeMs }
}

async function confirm({ receipts, log }: Sending, receipt: SendReceipt): Promise<void> {
  if (receipt.summary.warnings.length > 0) process.exitCode ??= 1
  await receipts?.add(receipt).catch(error => {
    process.exitCode = 1
    log.error({ error: errorMessage(error), code: errorCode(error) }, 'the receipt cannot be written')
  })
}

/** The failure of one transfer does not stop the next one, unless there is no receiver. */
function failed(sending: Sending, { path, name, size }: Item, error: Error): void {
  const { log, abort, key } = sending
  const reason = { error: errorMessage(error), code: errorCode(error) }
  process.exitCode ??= 1
  if (isSendError(error)) {
    if (key && size !== undefined && error.summary.bytesOut > 0)
      log.info('the same command goes on where this transfer has stopped')
    if (isGivenUp(error)) sending.isStopped = true
  } else if (abort.signal.aborted) log.error('interrupted before it was connected')
  else if (isRefused(error) || isOfFile(error, path)) {
    log.error({ file: path ?? name ?? 'stdin', ...reason }, 'not sent')
    if (error.message.endsWith('accepts no further transfers')) sending.isStopped = true
  } else {
    log.error(reason, 'cannot connect')
    sending.isStopped = true
  }
}

function isGivenUp(error: Error): boolean {
  return error.message.startsWith('gave up after')
}

function isOfFile(error: Error, path: string | undefined): boolean {
  return path !== undefined && (error as NodeJS.ErrnoException).path === path
}

async function openProgress(options: Options, items: readonly Item[]): Promise<TransferProgress | undefined> {
  const { progress, quiet, size } = options
  const hasStdin = items.some(({ path }) => path === undefined)
  const wanted = progress ?? !(quiet || (hasStdin && isatty(0)))
  return process.stderr.isTTY && wanted ? transferProgress(items, size) : undefined
}

function fault(message: string): never {
  throw new TcpPipeError('ERR_OPTION', message)
}
