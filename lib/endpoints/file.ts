/** Files, as sources and as sinks. */
import { TcpPipeError } from '../text/errors.js'
import { defineEndpoint } from './endpoint.js'
import { checkFileSink, fileSink } from './file/file-sink.js'
import { fileSource } from './file/file-source.js'

export interface FileAddress {
  readonly scheme: 'file'
  /** As a sink it can have placeholders: `{id} {remote} {port} {time}`. */
  readonly path: string
  /** As a sink: write at the end of a file that exists. Default: false. */
  readonly append?: boolean | undefined
  /** As a sink: replace a file that exists. Default: false. */
  readonly force?: boolean | undefined
}

export const file = defineEndpoint<FileAddress>({
  scheme: 'file',
  syntax: ['file:path'],
  summary: 'a file; as a sink its name can have {id} {remote} {port} {time}',
  accepts: text => text.startsWith('file:'),
  parse: text => checked({ scheme: 'file', path: text.slice('file:'.length) }),
  complete: checked,
  format: ({ path }) => `file:${path}`,
  source: ({ path }) => fileSource(path),
  checkSink: ({ path, append, force }) => checkFileSink(path, { append, force }),
  sink: ({ path, append, force }, connection, signal) => fileSink(path, connection, { append, force, signal }),
})

function checked(address: FileAddress): FileAddress {
  const { path } = address
  if (path && !path.includes('\0')) return address
  throw new TcpPipeError('ERR_ADDRESS', 'its path is empty or has a NUL character')
}
