/** Files, as sources and as sinks. */
import { TcpPipeError } from '../text/errors.js'
import { needsName } from '../text/template.js'
import { defineEndpoint, type Sink, type SinkContext } from './endpoint.js'
import { checkFileSink, fileSink } from './file/file-sink.js'
import { fileSource } from './file/file-source.js'
import { followSource } from './file/follow.js'
import { sessionSink } from './file/session-sink.js'

export interface FileAddress {
  readonly scheme: 'file'
  /** As a sink it can have placeholders: `{id} {remote} {port} {time} {name}`. */
  readonly path: string
  /** As a source: go on with what is added to the file, and with the next file of this name. Default: false. */
  readonly follow?: boolean | undefined
  /** As a sink: write at the end of a file that exists. Default: false. */
  readonly append?: boolean | undefined
  /** As a sink: replace a file that exists. Default: false. */
  readonly force?: boolean | undefined
}

export const file = defineEndpoint<FileAddress>({
  scheme: 'file',
  syntax: ['file:path'],
  summary: 'a file; as a sink its name can have {id} {remote} {port} {time} {name}',
  accepts: text => text.startsWith('file:'),
  parse: text => checked({ scheme: 'file', path: text.slice('file:'.length) }),
  complete: checked,
  format: ({ path }) => `file:${path}`,
  source: ({ path, follow }) => (follow ? followSource(path) : fileSource(path)),
  checkSink: ({ path, append, force }) => checkFileSink(path, { append, force }),
  sink: openSink,
})

async function openSink(
  { path, append, force = false }: FileAddress,
  connection: SinkContext,
  signal?: AbortSignal,
): Promise<Sink> {
  const { session } = connection
  if (session && needsName(path) && connection.name === undefined)
    throw new TcpPipeError('ERR_SESSION', 'the sender gives no name; it needs --name')
  if (!session || append || !connection.isUnchanged)
    return fileSink(path, connection, { append, force, signal, session, durable: connection.isDurable })
  return sessionSink(path, { ...connection, session }, { force, signal })
}

function checked(address: FileAddress): FileAddress {
  const { path } = address
  if (path && !path.includes('\0')) return address
  throw new TcpPipeError('ERR_ADDRESS', 'its path is empty or has a NUL character')
}
