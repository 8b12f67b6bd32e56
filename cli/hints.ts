/** The remedies for mistakes that habits from other programs cause: one table. */
import { quote } from './quote.js'

interface Hint {
  /** The commands that it is for; an empty text is the program itself. */
  readonly of: readonly string[]
  /** Matches the message. */
  readonly mistake: RegExp
  /** Returns the remedy for what the pattern has found, or undefined if it does not apply. */
  remedy(found: string, argv: readonly string[]): string | undefined
}

const listen = "unknown option '(-l|--listen)'"
const port = "unknown option '(-p|--port|--host)'"

const hints: readonly Hint[] = [
  {
    of: ['transforms', 'explain', 'completion'],
    mistake: /^unknown option '--help-all'/,
    remedy: () => '--help shows all options of this command',
  },
  {
    of: [''],
    mistake: /^unknown command '(.+)'/,
    remedy: (_, [host = '', port = '']) =>
      isHost(host) && isPort(port) ? sendOrNc(`${host}:${port}`, [host, port]) : undefined,
  },
  {
    of: [''],
    mistake: /^unknown command '(.+)'/,
    remedy: word =>
      isAddress(word) ? `did you mean 'tcp-pipe send --to ${word}' or 'tcp-pipe serve ${word}'?` : undefined,
  },
  {
    of: [''],
    mistake: /^unknown option '-[46CDNUcdhklnpqsuvwxz]/,
    remedy: (_, argv) => `for the options of nc use: tcp-pipe nc ${quote(argv)}`,
  },
  { of: ['explain'], mistake: /^unknown command/, remedy: () => 'explain knows serve, send, proxy and nc' },
  {
    of: ['nc'],
    mistake: /^unknown command 'check'/,
    remedy: () => 'nc -z is a check; explain knows serve, send, proxy, and nc without -z',
  },
  { of: ['serve'], mistake: new RegExp(listen), remedy: () => 'serve always listens: tcp-pipe serve PORT' },
  { of: ['serve'], mistake: new RegExp(port), remedy: () => 'the address is a word: tcp-pipe serve PORT' },
  { of: ['send'], mistake: new RegExp(port), remedy: () => 'use --to HOST:PORT' },
  { of: ['send'], mistake: new RegExp(listen), remedy: () => 'to listen use: tcp-pipe serve PORT' },
  {
    of: ['proxy'],
    mistake: /unknown option '(-l|--listen|-p|--port|--host|--to|--target)'/,
    remedy: () => 'the addresses are words: tcp-pipe proxy LISTEN TARGET',
  },
  {
    of: ['', 'send', 'serve', 'proxy'],
    mistake: /unknown option '-z'/,
    remedy: () => 'to see whether a port is open use: tcp-pipe check HOST:PORT',
  },
  {
    of: ['send', 'serve', 'proxy'],
    mistake: /unknown option '(-u|--udp)'/,
    remedy: () => 'UDP is not supported; use nc -u or socat',
  },
  {
    of: ['pipe'],
    mistake: /unknown option '--also(-\w+)?'/,
    remedy: () => 'pipe has one destination: use serve --also, or -t "tee FILE"',
  },
  {
    of: ['pipe'],
    mistake: /unknown option '--(send-)?proxy-protocol'/,
    remedy: () => 'serve --to and proxy have it: pipe has no client to name',
  },
  {
    of: ['send'],
    mistake: /^'(.+)' cannot be read: ENOENT/,
    remedy: (file, argv) => (isAddress(file) && !argv.includes('--to') ? `did you mean --to ${file}?` : undefined),
  },
  {
    of: ['send'],
    mistake: /^EISDIR: '(.+)' is a directory$/,
    remedy: path => `to send it use: tar c ${quote([path])} | tcp-pipe send`,
  },
  {
    of: ['serve'],
    mistake: /^--from: EISDIR: '(.+)' is a directory$/,
    remedy: path => `to send it use: tar c ${quote([path])} | tcp-pipe serve --once --from -`,
  },
]

const commands = new Set(hints.flatMap(({ of }) => of))

/** Returns the message with its remedy, or undefined if the table has none. `argv` are the words after `tcp-pipe`. */
export function withHint(message: string, argv: readonly string[]): string | undefined {
  const command = commands.has(argv[0] ?? '') ? argv[0] : ''
  const text = message.trim().replace(/; did you mean .*$/, '')
  for (const { of, mistake, remedy } of hints) {
    const match = of.includes(command as string) ? mistake.exec(text) : null
    const found = match && remedy(match[1] ?? match[0], argv)
    if (found) return `${text}; ${found}`
  }
  return undefined
}

function sendOrNc(address: string, words: string[]): string {
  return `did you mean 'tcp-pipe send --to ${address}' or 'tcp-pipe nc ${quote(words)}'?`
}

function isHost(text: string): boolean {
  return /^[\w.:-]+$/.test(text)
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text)
}

/** A text that is much rather an address than the name of a file or of a command. */
function isAddress(text: string): boolean {
  return /^(?:(?:tcp:\/\/|tls:\/\/)?(?:\[[\da-f:.]+\]:|[\w.-]*:)?\d{1,5}|(?:tls:\/\/)?unix:.+)$/i.test(text)
}
