// The main use on real input: pipes this project's README to a server with a hex transform.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { buffer, text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { unhex } from 'tcp-pipe/transforms'

const fail = reason => {
  console.error(`failed: ${reason}`)
  process.exit(1)
}
const cwd = fileURLToPath(new URL('..', import.meta.url))
const tcpPipe = `${process.execPath} dist/bundle/cli.js`
const shell = command => spawn('sh', ['-c', command], { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
const ended = async child => (await once(child, 'close'))[0]

const server = shell(`exec ${tcpPipe} serve :0 --once --transform hex`)
const dump = text(server.stdout)
const serverEnded = ended(server)
const [line] = await once(server.stderr, 'data')
const port = /"port":(\d+)/.exec(line)?.[1] ?? fail(`the server did not start: ${line}`)
const codes = [await ended(shell(`cat README.md | ${tcpPipe} send --to ${port}`)), await serverEnded]
if (codes.join() !== '0,0') fail(`exit codes of send and serve: ${codes}`)

const rows = (await dump).trimEnd().split('\n')
console.log(`$ tcp-pipe serve :0 --once --transform hex\n$ cat README.md | tcp-pipe send --to ${port}`)
console.log([...rows.slice(0, 6), `… ${rows.length - 8} more rows …`, ...rows.slice(-2)].join('\n'))
const arrived = await buffer(unhex().end(rows.join('\n')))
if (!arrived.equals(await readFile(`${cwd}README.md`)))
  fail(`${arrived.length} bytes arrived, but they differ from the input`)
console.log(`ok: ${arrived.length} bytes arrived unchanged`)
