// The main job on real input: a server with a hex transform, and this project's README piped to it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { unhex } from 'tcp-pipe/transforms'

const path = name => fileURLToPath(new URL(`../${name}`, import.meta.url))
const cli = [process.execPath, path('dist/cli/index.js')]
const start = (...words) => spawn(words[0], words.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] })

const server = start(...cli, 'serve', ':0', '--once', '--transform', 'hex')
const dump = text(server.stdout)
const { port } = JSON.parse(String((await once(server.stderr, 'data'))[0]).split('\n')[0])
const cat = start('cat', path('README.md'))
const sender = start(...cli, 'send', '--to', String(port))
cat.stdout.pipe(sender.stdin)
const codes = await Promise.all([sender, server].map(async child => (await once(child, 'close'))[0]))

const rows = (await dump).split('\n')
console.log(`$ tcp-pipe serve :0 --once --transform hex &\n$ cat README.md | tcp-pipe send --to ${port}`)
console.log([...rows.slice(0, 6), `… ${rows.length - 9} more rows …`, ...rows.slice(-3)].join('\n'))
const arrived = await buffer(Readable.from([rows.join('\n')]).pipe(unhex()))
const same = arrived.equals(await readFile(path('README.md'))) && codes.every(code => code === 0)
console.log(
  same
    ? `ok: ${arrived.length} bytes arrived as they were sent`
    : `failed: exit codes ${codes}, ${arrived.length} bytes`,
)
process.exitCode = same ? 0 : 1
