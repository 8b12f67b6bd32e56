/** Certificates of the test's own, made by `openssl` when they are asked for, and TLS peers that use them. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect as connectTcp, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { type ConnectionOptions, connect, TLSSocket, type TlsOptions } from 'node:tls'
import type { Test } from 'tap'
import { hiddenReset } from '../../lib/endpoints/reset.js'
import { bounded, cleanup, closed, shortDirectory } from './support.js'

interface Recipe {
  /** The common name. Default: that of the recipe. */
  subject?: string
  /** Who signs it. Default: itself. */
  by?: Name
  /** For whom it is, as OpenSSL writes subjectAltName. */
  names?: string
  isAuthority?: boolean
  from?: string
  until?: string
}

const local = 'DNS:localhost,IP:127.0.0.1'

/** A subject that ends a line, begins another one, and drives a terminal: OSC, C1 and a turn of the direction. */
export const forged = 'x\n{"level":60,"msg":"fake"}\x1b]0;title\x07\u009b31m\u202egnp.exe'

const recipes = {
  authority: { isAuthority: true },
  stranger: { isAuthority: true },
  intermediate: { by: 'authority', isAuthority: true },
  server: { by: 'authority', names: local },
  renewed: { by: 'authority', names: local },
  leaf: { by: 'intermediate', names: local },
  selfSigned: { names: local },
  expired: { by: 'authority', names: local, from: '20200101000000Z', until: '20210101000000Z' },
  future: { by: 'authority', names: local, from: '20970101000000Z' },
  otherName: { by: 'authority', names: 'DNS:other.example' },
  nameOnly: { by: 'authority', names: 'DNS:localhost' },
  client: { by: 'authority' },
  strangersClient: { by: 'stranger' },
  forgedClient: { by: 'authority', subject: forged },
} satisfies Record<string, Recipe>

type Name = 'authority' | 'stranger' | 'intermediate'
export type RecipeName = keyof typeof recipes

export interface Identity {
  /** The files. */
  readonly cert: string
  readonly key: string
  /** `--cert … --key …`. */
  readonly words: readonly string[]
  /** As Node takes them. */
  readonly pem: { readonly cert: string; readonly key: string }
}

export interface Certificates {
  readonly directory: string
  /** Each is made once. */
  of(name: RecipeName): Identity
  /** The certificate of `leaf`, and the one between it and the root. */
  chain(): Identity
  /** The key of `server`, encrypted. */
  locked(passphrase: string): string
  /** What the `openssl` program says that the pin is. */
  pin(name: RecipeName): string
}

export function certificates(t: Test): Certificates {
  const directory = shortDirectory(t)
  const path = (name: string) => join(directory, name)
  const made = new Map<RecipeName, Identity>()

  function of(name: RecipeName): Identity {
    const identity = made.get(name) ?? make(name)
    made.set(name, identity)
    return identity
  }

  function make(name: RecipeName): Identity {
    const { subject = name, by, names, isAuthority, from, until }: Recipe = recipes[name]
    const [cert, key, request] = [path(`${name}.pem`), path(`${name}.key`), path(`${name}.csr`)]
    const signer = by
      ? [
          ['-cert', of(by).cert],
          ['-keyfile', of(by).key],
        ].flat()
      : ['-selfsign', '-keyfile', key]
    const extensions = [
      ...(names ? [`subjectAltName=${names}`] : []),
      `basicConstraints=critical,CA:${isAuthority ? 'TRUE' : 'FALSE'}`,
    ]
    openssl(
      ['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-utf8'],
      ['-keyout', key, '-out', request, '-subj', `/CN=${subject.replace(/[/\\+=]/g, '\\$&')}`],
      extensions.flatMap(extension => ['-addext', extension]),
    )
    writeFileSync(path('index.txt'), '')
    writeFileSync(path('authority.conf'), settings(directory))
    openssl(
      ['ca', '-batch', '-notext', '-config', path('authority.conf'), '-in', request, '-out', cert, ...signer],
      ['-startdate', from ?? '20200101000000Z', '-enddate', until ?? '20990101000000Z'],
    )
    return identity(cert, key)
  }

  function chain(): Identity {
    const cert = path('chain.pem')
    writeFileSync(cert, of('leaf').pem.cert + of('intermediate').pem.cert)
    return identity(cert, of('leaf').key)
  }

  function locked(passphrase: string): string {
    const key = path('locked.key')
    openssl(['pkcs8', '-topk8', '-in', of('server').key, '-out', key, '-passout', 'stdin'], { input: passphrase })
    return key
  }

  function pin(name: RecipeName): string {
    const publicKey = openssl(['x509', '-in', of(name).cert, '-noout', '-pubkey'])
    const binary = openssl(['pkey', '-pubin', '-outform', 'der'], { input: publicKey })
    return `sha256//${openssl(['dgst', '-sha256', '-binary'], { input: binary }).toString('base64')}`
  }

  return { directory, of, chain, locked, pin }
}

function identity(cert: string, key: string): Identity {
  const pem = { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
  return { cert, key, words: ['--cert', cert, '--key', key], pem }
}

function openssl(...parts: (string[] | { input: string | Buffer })[]): Buffer {
  const words = parts.flatMap(part => (Array.isArray(part) ? part : []))
  const { input } = parts.find(part => 'input' in part) ?? { input: '' }
  const { status, stdout, stderr } = spawnSync('openssl', words, { input })
  if (status !== 0) throw new Error(`openssl ${words.join(' ')}: ${stderr}`)
  return stdout
}

/** What `openssl ca` wants, which can date a certificate back; `openssl req -x509` cannot. */
function settings(directory: string): string {
  return `
[ca]
default_ca = own
[own]
database = ${directory}/index.txt
new_certs_dir = ${directory}
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
`
}

/** A TLS client or the end of a TLS server: what is below it can be reset, and its error is in `failed`. */
export type SecureEnd = TLSSocket & { raw: Socket; failed?: NodeJS.ErrnoException }

/** A TLS connection of the test's own; nothing is verified, unless `options` say so. */
export async function dialTls(t: Test, port: number, options: ConnectionOptions = {}): Promise<SecureEnd> {
  const raw = connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  const socket = secureEnd(
    t,
    connect({ socket: raw, rejectUnauthorized: false, servername: 'localhost', ...options }),
    raw,
  )
  const failed = once(socket, 'close').then(() => Promise.reject(socket.failed))
  await Promise.race([secured(socket, 'secureConnect'), failed])
  return socket
}

/** Sends, ends its side, and gives what comes back. */
export async function exchangeTls(
  t: Test,
  port: number,
  data: string | Uint8Array,
  options?: ConnectionOptions,
): Promise<Buffer> {
  const socket = await dialTls(t, port, options)
  const received: Buffer[] = []
  socket.on('data', chunk => received.push(chunk)).end(data)
  const fate = await fateOf(socket) // the iterator of a Readable would not wait for our close_notify
  if (fate !== 'end') throw socket.failed ?? Object.assign(new Error(`the connection: ${fate}`), { code: fate })
  return Buffer.concat(received)
}

/** A TLS server of the test's own on a free port; `handler` gets each client before its handshake. */
export async function listenTls(
  t: Test,
  options: TlsOptions,
  handler: (socket: SecureEnd) => void,
): Promise<{ port: number }> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, raw => {
    const socket = secureEnd(t, new TLSSocket(raw, { isServer: true, ...options }), raw)
    handler(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanup(t, () => void server.close())
  return server.address() as { port: number }
}

/** When its handshake has been made. In that very turn an end would be one without close_notify (TLS 1.3). */
export async function secured(socket: SecureEnd, event: 'secure' | 'secureConnect' = 'secure'): Promise<void> {
  await new Promise(resolve => socket.once(event, resolve))
  await new Promise(setImmediate)
}

function secureEnd(t: Test, socket: TLSSocket, raw: Socket): SecureEnd {
  const end: SecureEnd = Object.assign(socket, { raw })
  raw.on('error', () => {})
  end.on('error', error => {
    end.failed ??= error
  })
  cleanup(t, () => {
    end.destroy()
    raw.destroy()
  })
  return end
}

/** How a connection ends for this side: `end`, or the code of its error. What comes is read. */
export async function fateOf(socket: SecureEnd): Promise<string> {
  let fate = 'closed'
  const ended = () => {
    const reset = hiddenReset(socket.raw)
    fate = reset ? 'ECONNRESET' : 'end'
    if (reset) socket.destroy()
    else socket.end()
  }
  if (socket.readableEnded) ended()
  else socket.once('end', ended).resume()
  await bounded(closed(socket), 'the end of the connection')
  return socket.failed?.code ?? fate
}
