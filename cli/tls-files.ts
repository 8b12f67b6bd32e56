/** The PEM files that TLS options name. */
import { readFileSync } from 'node:fs'
import { errorMessage, TcpPipeError } from '../lib/text/errors.js'
import type { ServerTlsOptions } from './tls-options.js'

/** Files by the name that the library has for them, with the options that name them. */
export type Files<Name extends string> = Record<Name, { flag: string; path: string | undefined }>

export function identityFiles(
  options: ServerTlsOptions,
  prefix: '--' | '--target-',
): Files<'cert' | 'key' | 'passphrase'> {
  const own = prefix === '--'
  return {
    cert: { flag: `${prefix}cert`, path: own ? options.cert : options.targetCert },
    key: { flag: `${prefix}key`, path: own ? options.key : options.targetKey },
    passphrase: {
      flag: `${prefix}passphrase-file`,
      path: own ? options.passphraseFile : options.targetPassphraseFile,
    },
  }
}

/** Checks the files with the library, and names the option and the file in its errors. */
export function checked<T>(
  files: Files<'cert' | 'key' | 'passphrase'>,
  make: (pems: Record<string, string | undefined>) => T,
  check: (options: T) => unknown,
): T {
  const { cert, key, passphrase } = files
  if (cert.path !== undefined && key.path === undefined) fault(`${cert.flag} needs ${key.flag}`)
  if (key.path !== undefined && cert.path === undefined) fault(`${key.flag} needs ${cert.flag}`)
  if (passphrase.path !== undefined && key.path === undefined) fault(`${passphrase.flag} needs ${key.flag}`)
  const options = make(readAll(files))
  try {
    check(options)
    return options
  } catch (error) {
    const [, name = '', rest] = /^(\w+): (.*)$/s.exec(errorMessage(error)) ?? []
    const file = (files as Files<string>)[name]
    if (!file) throw error
    throw new TcpPipeError('ERR_OPTION', `${file.flag} ${file.path}: ${rest}`, { cause: error })
  }
}

function readAll(files: Files<string>): Record<string, string | undefined> {
  const texts = Object.entries(files).map(([name, { flag, path }]) => {
    const text = path === undefined ? undefined : readText(flag, path)
    return [name, name === 'passphrase' ? text?.replace(/\r?\n$/, '') : text]
  })
  return Object.fromEntries(texts)
}

function readText(flag: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new TcpPipeError('ERR_OPTION', `${flag}: ${path} cannot be read: ${errorMessage(cause)}`, { cause })
  }
}

/** Throws the mistake of a user. */
export function fault(message: string): never {
  throw new TcpPipeError('ERR_OPTION', message)
}
