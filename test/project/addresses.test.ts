import { spawnSync } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { addressFor } from '../../cli/options.js'
import { type Ability, addressForms } from '../../lib/endpoints/address.js'
import { endpoints } from '../../lib/endpoints/index.js'
import { commandUses, page, schemesOf } from './addresses.js'
import { cli, node, read, root } from './support.js'

const helpOf = (cli: string, command: string) =>
  spawnSync('env', [...node, cli, command, '--help'], { encoding: 'utf8' }).stdout.replace(/\s+/g, ' ')

t.test('docs/addresses.md is what the endpoints say', async t => {
  t.equal(read('docs/addresses.md'), page(), 'npm run docs makes it anew')
})

t.test('what the page says of the command line is what the commands take', async t => {
  const texts: Record<string, string> = {
    tcp: '80',
    stdio: '-',
    tls: 'tls://80',
    reliable: 'reliable://80',
    listen: 'listen:80',
  }
  for (const use of commandUses) {
    for (const { scheme } of endpoints) {
      const text = texts[scheme] ?? `${scheme}:x`
      const take = () => addressFor(...(use.abilities as [Ability, ...Ability[]]))(text)
      if (schemesOf(use).includes(scheme)) t.equal(take().scheme, scheme)
      else t.throws(take, { code: 'ERR_ADDRESS' }, `${use.abilities} ${text}`)
    }
  }
})

t.test('the help lists the forms of the table', async t => {
  for (const [command, ability] of [
    ['serve', 'listen'],
    ['send', 'dial'],
    ['proxy', 'listen'],
  ] as const)
    t.ok(helpOf(cli, command).includes(addressForms(ability)), command)
})

const own = `import { defineEndpoint } from './endpoint.js'
import { memoryPair } from './memory.js'

export const own = defineEndpoint({
  scheme: 'own',
  syntax: ['own:thing'],
  summary: 'an endpoint of its own kind',
  accepts: text => text.startsWith('own:'),
  parse: text => ({ scheme: 'own', thing: text.slice(4) }),
  complete: address => address,
  format: ({ thing }) => 'own:' + thing,
  async dial() {
    const [near, far] = memoryPair()
    far.stream.pipe(far.stream)
    return near
  },
})
`

t.test('an endpoint is added by one file and one line: commands, help, messages and the page know it', async t => {
  const dist = join(t.testdir({ 'package.json': read('package.json') }), 'dist')
  for (const part of ['cli', 'lib', 'transforms', 'test/project/addresses.js'])
    cpSync(join(root, 'dist', part), join(dist, part), { recursive: true })
  const table = join(dist, 'lib/endpoints/index.js')
  writeFileSync(join(dist, 'lib/endpoints/own.js'), own)
  writeFileSync(
    table,
    `import { own } from './own.js'\n${readFileSync(table, 'utf8').replace('endpoints = [', 'endpoints = [own, ')}`,
  )
  const cli = join(dist, 'cli/index.js')
  const run = (...words: string[]) => spawnSync('env', [...node, ...words], { input: 'echoed', encoding: 'utf8' })
  t.match(run(cli, 'send', '--to', 'own:x'), { status: 0, stdout: 'echoed' })
  t.match(run(cli, 'serve', 'own:x'), {
    status: 2,
    stderr: /'own:x' cannot be listened on; expected host:port, .* or reliable\[\+tls\]:\/\/host:port\n$/,
  })
  t.match(helpOf(cli, 'send'), /reliable\[\+tls\]:\/\/host:port, listen:address or own:thing/)
  const printed = run(join(dist, 'test/project/addresses.js')).stdout
  t.match(printed, '| `own` | `own:thing` | an endpoint of its own kind |  | yes |  |  |')
  t.match(
    printed,
    '| `serve --to ADDRESS`, `send --to ADDRESS`, `proxy LISTEN TARGET` | `tcp`, `tls`, `unix`, `reliable`, `listen`, `own` |',
  )
})
