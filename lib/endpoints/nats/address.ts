/** The syntax of an address of NATS: `nats://[user:password@|token@]host[:port][,host…]/subject?parameters`. */
import { formatHostAndPort, parseHostAndPort, tcpAddress } from '../tcp.js'
import {
  checkUse,
  decoded,
  fault,
  formatParameters,
  type Parameters,
  parseParameters,
  properties,
} from './parameters.js'

/** A subject of a server, or of a cluster of servers, and how it is written to or read. */
export interface NatsAddress extends Parameters {
  readonly scheme: 'nats'
  /** The servers of a cluster: the first one that answers is used, and the others when it is gone. */
  readonly servers: readonly NatsServer[]
  /** With TLS, also if the server does not ask for it. Default: if the server offers it. */
  readonly tls?: boolean | undefined
  /** Empty for a source that reads all subjects of its stream. */
  readonly subject: string
  readonly user?: string | undefined
  readonly password?: string | undefined
  readonly token?: string | undefined
}

export interface NatsServer {
  readonly host: string
  readonly port: number
}

const defaultPort = 4222

/** What stands for a secret in a formatted address. */
const hidden = '***'

/** Throws `ERR_ADDRESS`. */
export function parseNats(text: string): NatsAddress {
  const match = /^nats(\+tls)?:\/\/(?:([^/]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(text)
  if (!match) throw fault('is not an address')
  const [, tls, secrets, hosts = '', subject = '', parameters = ''] = match
  return checked({
    scheme: 'nats',
    servers: hosts.split(',').map(parseServer),
    ...(tls && { tls: true }),
    subject: decoded(subject),
    ...(secrets !== undefined && parseSecrets(secrets)),
    ...parseParameters(parameters),
  })
}

/** Checks an address that was given in parts. Throws `ERR_ADDRESS`. */
export function completeNats(address: NatsAddress): NatsAddress {
  const { servers, subject, tls, user, password, token } = address
  const known = ['scheme', 'servers', 'tls', 'subject', 'user', 'password', 'token', ...properties]
  const unknown = Object.keys(address).find(key => !known.includes(key))
  if (unknown) throw fault(`'${unknown}' is no part of it; expected ${known.join(', ')}`)
  if (!Array.isArray(servers) || servers.length === 0) throw fault('servers must be a list of hosts and ports')
  if (typeof subject !== 'string') throw fault('the subject must be a text')
  if (tls !== undefined && typeof tls !== 'boolean') throw fault('tls must be true or false')
  for (const [key, value] of Object.entries({ user, password, token }))
    if (value !== undefined && typeof value !== 'string') throw fault(`${key} must be a text`)
  return checked({
    scheme: 'nats',
    servers: servers.map(({ host, port = defaultPort }) => serverOf(tcpAddress(host, port))),
    ...(tls && { tls: true }),
    subject,
    ...(user !== undefined && { user }),
    ...(password !== undefined && { password }),
    ...(token !== undefined && { token }),
    ...parseParameters(formatParameters(address)),
  })
}

/** Formats an address for people and for `parse`. Secrets are hidden: then `parse` refuses it. */
export function formatNats(address: NatsAddress): string {
  const { servers, tls, subject, user, token } = address
  const secrets = (user ?? token) === undefined ? '' : `${hidden}@`
  const parameters = formatParameters(address)
  const path = encodeURI(subject).replace(/[?#]/g, encodeURIComponent).replace('%3E', '>')
  return `nats${tls ? '+tls' : ''}://${secrets}${servers.map(formatHostAndPort).join(',')}/${path}${parameters && `?${parameters}`}`
}

/** What credentials the environment gives, by the names that the program `nats` uses, too. */
export const credentialVariables = ['NATS_USER', 'NATS_PASSWORD', 'NATS_TOKEN', 'NATS_CREDS', 'NATS_NKEY'] as const

/** Adds the credentials of the environment to an address that has none. Throws `ERR_ADDRESS`. */
export function withCredentials(
  address: NatsAddress,
  environment: Readonly<Record<string, string | undefined>>,
): NatsAddress {
  const { user, token, creds, nkey } = address
  if ((user ?? token ?? creds ?? nkey) !== undefined) return address
  const [userName, password, ...others] = credentialVariables.map(key => environment[key] || undefined)
  const [natsToken, credsFile, nkeyFile] = others
  if (userName !== undefined) return checked({ ...address, user: userName, password: password ?? '' })
  if (natsToken !== undefined) return { ...address, token: natsToken }
  if (credsFile !== undefined) return { ...address, creds: credsFile }
  return nkeyFile === undefined ? address : { ...address, nkey: nkeyFile }
}

/** Throws `ERR_ADDRESS` if nothing can be written to the address. */
export function checkSinkAddress(address: NatsAddress): void {
  const { subject, stream, create } = address
  const refuse = (message: string) => refuseUse(address, message)
  checkUse(address, 'sink', refuse)
  if (!subject) refuse('it has no subject to write to; expected one, such as nats://host/ingest.lines')
  if (isWildcard(subject)) refuse('its subject has a wildcard; expected one subject to write to')
  if (create && !stream) refuse('create= needs stream=, the name of the stream to make')
}

/** Throws `ERR_ADDRESS` if nothing can be read from the address. */
export function checkSourceAddress(address: NatsAddress): void {
  const refuse = (message: string) => refuseUse(address, message)
  checkUse(address, 'source', refuse)
  if (!address.durable) refuse('it needs durable=, the name of the consumer that remembers what was read')
  if (!address.subject && !address.stream) refuse('it has no subject; expected one, or stream= to read all of a stream')
}

/** Whether a subject stands for several ones. */
export function isWildcard(subject: string): boolean {
  return subject.split('.').some(word => word === '*' || word === '>')
}

function refuseUse(address: NatsAddress, message: string): never {
  throw fault(`'${formatNats(address)}': ${message}`)
}

function checked(address: NatsAddress): NatsAddress {
  const { subject, tls, user, token, creds, nkey, ca, cert, key } = address
  if (subject && !isSubject(subject))
    throw fault('its subject is not allowed; expected words joined by dots, without spaces, such as ingest.lines')
  const ways = Object.entries({ user, token, creds, nkey }).filter(([, value]) => value !== undefined)
  if (ways.length > 1) throw fault(`has several credentials (${ways.map(([way]) => way).join(', ')}); expected one`)
  if (!tls && (ca ?? cert ?? key) !== undefined) throw fault('ca=, cert= and key= need nats+tls://')
  if ((cert === undefined) !== (key === undefined)) throw fault('cert= and key= need each other')
  return address
}

function isSubject(subject: string): boolean {
  const words = subject.split('.')
  return words.every((word, i) => /^[^\s\0]+$/.test(word) && (word !== '>' || i === words.length - 1))
}

function parseServer(text: string): NatsServer {
  const hasPort = /^[^:[\]]*:.+$|\]:.+$/s.test(text)
  if (hasPort) return serverOf(parseHostAndPort(text))
  return serverOf(parseHostAndPort(`${text.replace(/:$/, '')}:${defaultPort}`))
}

function serverOf({ host, port }: NatsServer): NatsServer {
  return { host, port }
}

function parseSecrets(text: string): Pick<NatsAddress, 'user' | 'password' | 'token'> {
  if (text === hidden) throw fault('its credentials are hidden; expected user:password@, token@ or none')
  const [, user, password] = /^([^:]*):(.*)$/s.exec(text) ?? []
  if (user === undefined) return { token: decoded(text) }
  return { user: decoded(user), password: decoded(password as string) }
}
