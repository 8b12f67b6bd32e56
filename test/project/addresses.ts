/** docs/addresses.md, made of the table of endpoints: `node dist/test/project/addresses.js` prints it. */
import { fileURLToPath } from 'node:url'
import type { Ability } from '../../lib/endpoints/address.js'
import type { Endpoint } from '../../lib/endpoints/endpoint.js'
import { endpoints } from '../../lib/endpoints/index.js'

/** In the order of the help. */
const table = [...endpoints].reverse() as unknown as readonly Endpoint[]

export interface Use {
  /** Where an address is written, as a person writes it. */
  readonly where: readonly string[]
  /** It is enough to be able to do one of these. */
  readonly abilities: readonly Ability[]
}

/** On the command line, where an address has to reach another process. */
export const commandUses: readonly Use[] = [
  { where: ['serve ADDRESS', 'proxy LISTEN TARGET'], abilities: ['listen'] },
  { where: ['serve --to ADDRESS', 'send --to ADDRESS', 'proxy LISTEN TARGET'], abilities: ['dial'] },
  { where: ['pipe FROM', 'send --from ADDRESS'], abilities: ['dial', 'source'] },
  { where: ['pipe --to ADDRESS'], abilities: ['dial', 'sink'] },
]

/** In code. */
export const codeUses: readonly Use[] = [
  { where: ['serve({ listen })', 'proxy({ listen })'], abilities: ['listen'] },
  { where: ['send({ to })', 'proxy({ to })'], abilities: ['dial'] },
  { where: ['pipe({ from })'], abilities: ['dial', 'source'] },
  { where: ['serve({ to })', 'pipe({ to })', 'send({ output })'], abilities: ['dial', 'sink'] },
]

const columns: readonly (readonly [Ability, string])[] = [
  ['listen', 'listened on'],
  ['dial', 'connected to'],
  ['source', 'read'],
  ['sink', 'written to'],
]

/** The page as it is to be. */
export function page(): string {
  return `# Addresses

<!-- Made by \`npm run docs\` from the table of endpoints, lib/endpoints/index.ts. -->

Where bytes come from and where they go. Without a host an address is on loopback; all interfaces only by \`0.0.0.0:port\`
or \`[::]:port\`.

${tableOf(['scheme', 'forms', 'what it is', ...columns.map(([, name]) => name)], table.map(row))}

## On the command line

${tableOf(['where', 'schemes'], commandUses.map(useRow))}

Elsewhere files and the standard streams are not written as addresses: \`-o FILE\`, \`serve --from FILE\` and the files of \`send\` are
names of files, and \`-\` is stdin or stdout. \`send --bind\` takes an address of this host; the
port may be omitted.

## In code

${tableOf(['where', 'schemes'], codeUses.map(useRow))}

An address is its text, or its parts: \`{ scheme: 'tcp', host, port }\`, \`{ scheme: 'tls', host, port }\`,
\`{ scheme: 'unix', path }\`, \`{ scheme: 'memory', name }\`, \`{ scheme: 'file', path, append, force }\`,
\`{ scheme: 'stdio' }\`; TLS over a unix socket is \`{ scheme: 'tls', path }\`, and sessions
are \`{ scheme: 'reliable', host, port, tls }\`. What cannot be used somewhere is refused with \`ERR_ADDRESS\` before anything is opened.
`
}

/** The schemes that can be written there. */
export function schemesOf(use: Use): string[] {
  const able = table.filter(endpoint => use.abilities.some(ability => endpoint[ability]))
  return able.filter(({ inProcess }) => !(inProcess && commandUses.includes(use))).map(({ scheme }) => scheme)
}

function useRow(use: Use): string[] {
  return [list(use.where), list(schemesOf(use))]
}

function row(endpoint: Endpoint): string[] {
  const { scheme, syntax, summary } = endpoint
  return [code(scheme), list(syntax), summary, ...columns.map(([ability]) => (endpoint[ability] ? 'yes' : ''))]
}

function tableOf(head: readonly string[], rows: readonly string[][]): string {
  return [head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n')
}

function list(words: readonly string[]): string {
  return words.map(code).join(', ')
}

function code(text: string): string {
  return `\`${text}\``
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(page())
