// A large file over TLS from one process to another over loopback, against other programs that do the same.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compare, has, MiB, makeFile, randomBytes, speed, tcpPipe, transfer } from './support.js'

export const peers = ['openssl', 'socat', 'ncat']

const to = '127.0.0.1:PORT'
const candidates = [
  {
    name: 'tcp-pipe send --tls',
    receiver: `exec ${tcpPipe} serve ${to} --once --tls --cert CERT --key KEY > /dev/null`,
    sender: `exec ${tcpPipe} send FILE --to tls://${to} --ca CERT -q`,
  },
  {
    name: 'socat -b262144 OPENSSL',
    receiver: 'exec socat -b262144 -u OPENSSL-LISTEN:PORT,bind=127.0.0.1,cert=CERT,key=KEY,verify=0 OPEN:/dev/null',
    sender: `exec socat -b262144 -u FILE:FILE OPENSSL:${to},cafile=CERT`,
  },
  {
    // Its sender does not wait until all is taken: on a busy machine up to a hundredth is lost, and the receiver fails.
    name: 'ncat --ssl, which may lose the end',
    receiver: 'ncat --ssl --ssl-cert CERT --ssl-key KEY -l 127.0.0.1 PORT > /dev/null || true',
    sender: 'exec ncat --ssl --send-only 127.0.0.1 PORT < FILE',
  },
]

export async function run({ runs, quick }) {
  if (!has('openssl')) return []
  const bytes = quick ? 256 * MiB : 1024 * MiB
  const file = makeFile('file', bytes, randomBytes)
  const folder = mkdtempSync(join(tmpdir(), 'tcp-pipe-bench-'))
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1']
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  execFileSync('openssl', ['req', ...kind, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' })
  const names = { CERT: cert, KEY: key, FILE: file }
  const fill = command => command.replace(/\b(CERT|KEY|FILE)\b(?!:)/g, name => names[name])
  const known = candidates.filter(({ sender }) => sender.includes(tcpPipe) || has(sender.split(' ')[1]))
  try {
    const results = await compare(known, runs, ({ sender, receiver }) =>
      transfer({ sender: fill(sender), receiver: fill(receiver), bytes }),
    )
    const figure = name => speed(bytes, results.get(name))
    const [{ name }, ...others] = known
    const rows = others.map(other => ({ work: name, ours: figure(name), peer: other.name, theirs: figure(other.name) }))
    const commands = known.map(({ sender, receiver }) => [sender, receiver])
    return { title: `Transfer of ${bytes / MiB} MiB over TLS 1.3`, unit: 'MB/s', cpu: 'ms/GB', rows, commands }
  } finally {
    for (const path of [file, folder]) rmSync(path, { recursive: true })
  }
}
