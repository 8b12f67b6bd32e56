import t from 'tap'
import { translate } from '../../cli/nc.js'
import { run } from '../e2e/support.js'

const listening = '--from - --on-eof keep --on-peer-end stop --idle-timeout off -q'

/** The words of nc → those of tcp-pipe. */
const pairs: [nc: string, ours: string][] = [
  ['example 7', 'send --to example:7 --on-eof keep -q'],
  ['-N example 7', 'send --to example:7 -q'],
  ['example -N 7', 'send --to example:7 -q'],
  ['-v -N example 7', 'send --to example:7'],
  ['-vN 2001:db8::1 7', 'send --to [2001:db8::1]:7'],
  ['-Nn 127.0.0.1 7', 'send --to 127.0.0.1:7 -q'],
  ['-q 0 example 7', 'send --to example:7 --on-eof close -q'],
  ['-q5 example 7', 'send --to example:7 --on-eof close --wait 5s -q'],
  ['-q -1 example 7', 'send --to example:7 --on-eof keep -q'],
  ['-q -1 -N example 7', 'send --to example:7 -q'],
  ['-d example 7', 'send --to example:7 --receive-only -q'],
  ['-NC example 7', 'send --to example:7 -t crlf -q'],
  ['-4N example 7', 'send --to example:7 -4 -q'],
  ['-6N example 7', 'send --to example:7 -6 -q'],
  ['-Nw3 example 7', 'send --to example:7 --connect-timeout 3s --idle-timeout 3s -q'],
  ['-N -s 127.0.0.2 example 7', 'send --to example:7 --bind 127.0.0.2 -q'],
  ['-N -p 4000 example 7', 'send --to example:7 --bind 0.0.0.0:4000 -q'],
  ['-N -p 4000 ::1 7', 'send --to [::1]:7 --bind [::]:4000 -q'],
  ['-N6 -p 4000 example 7', 'send --to example:7 -6 --bind [::]:4000 -q'],
  ['-N -s 127.0.0.2 -p 4000 example 7', 'send --to example:7 --bind 127.0.0.2:4000 -q'],
  ['-NU /run/x', 'send --to unix:/run/x -q'],
  ['-Nc example 7', 'send --to tls://example:7 -q'],
  ['-l 7', `serve 127.0.0.1:7 --once ${listening}`],
  ['-lp 7', `serve 127.0.0.1:7 --once ${listening}`],
  ['-l6 7', `serve [::1]:7 --once ${listening}`],
  ['-l 0.0.0.0 7', `serve 0.0.0.0:7 --once ${listening}`],
  ['-l -s 0.0.0.0 -p 7', `serve 0.0.0.0:7 --once ${listening}`],
  ['-lU /run/x', `serve unix:/run/x --once ${listening}`],
  ['-lN 7', 'serve 127.0.0.1:7 --once --from - --on-peer-end stop --idle-timeout off -q'],
  ['-lw1 7', `serve 127.0.0.1:7 --once ${listening}`],
  ['-lC 7', 'serve 127.0.0.1:7 --once --from - --on-eof keep --on-peer-end stop -r crlf --idle-timeout off -q'],
  ['-lq2 7', 'serve 127.0.0.1:7 --once --from - --on-peer-end stop --half-closed-timeout 2s --idle-timeout off -q'],
  ['-ld 7', 'serve 127.0.0.1:7 --once --idle-timeout off -q'],
  ['-lk 7', 'serve 127.0.0.1:7 --idle-timeout off -q'],
  ['-lkv 7', 'serve 127.0.0.1:7 --idle-timeout off'],
  ['-z example 7', 'check example:7 -q'],
  ['-zv example 20-25', 'check example:20-25'],
  ['-zvw1 example 7', 'check example:7 --connect-timeout 1s'],
  ['-zc -s 127.0.0.2 example 7', 'check tls://example:7 --bind 127.0.0.2 -q'],
  ['-zU /run/x', 'check unix:/run/x -q'],
  ['-zv -- example 7', 'check example:7'],
]

t.test('the words of nc, and those of the command that does the same', t => {
  for (const [nc, ours] of pairs) t.equal(translate(nc.split(' '), 'other').words.join(' '), ours, nc)
  t.end()
})

t.test('-v shows the command, quoted for a shell', t => {
  const { notes } = translate(['-vNU', "it's"], 'other')
  t.same(notes, ["same as: tcp-pipe send --to 'unix:it'\\''s'"])
  t.end()
})

t.test('what differs from nc without an error is noted', t => {
  const notes = (nc: string, stdin: 'pipe' | 'other') => translate(nc.split(' '), stdin).notes.join()
  t.match(notes('-l 7', 'other'), /^listens on loopback only; for all interfaces: nc -l 0\.0\.0\.0 PORT$/)
  t.equal(notes('-l 127.0.0.1 7', 'pipe'), '')
  t.match(notes('-lk 127.0.0.1 7', 'pipe'), /^with -k, stdin is not sent to clients; -d hides this note$/)
  t.equal(notes('-lkd 127.0.0.1 7', 'pipe'), '')
  t.equal(notes('-lk 127.0.0.1 7', 'other'), '')
  t.throws(() => translate(['-lk', '7'], 'file'), { message: /use serve --from FILE, which sends it to each/ })
  t.end()
})

/** The words of nc → what the one line says. */
const mistakes: [nc: string, says: string][] = [
  ['-u example 7', '-u: UDP is not supported; use nc -u or socat'],
  ['-Nu example 7', '-u: UDP is not supported'],
  ['-X 5 -x proxy:1 example 7', '-X: proxies are not supported; use ncat --proxy, or nc -X'],
  ['-x proxy:1 example 7', '-x: proxies are not supported; use ncat --proxy, or nc -x'],
  ['-P me -x proxy:1 example 7', '-P: proxies are not supported'],
  ['-i 1 example 7', '-i: there is no pause between lines'],
  ['-D example 7', '-D: Node cannot set this option of a socket; leave it out or use nc'],
  ['-S example 7', '-S: Node cannot set'],
  ['-I 1000 example 7', '-I: Node cannot set'],
  ['-T ef example 7', '-T: Node cannot set'],
  ['-F example 7', '-F: Node cannot pass a descriptor'],
  ['-r example 7', '-r: ports are taken in order'],
  ['-t example 7', '-t: TELNET negotiation is not supported; use curl telnet://host:port'],
  ['-W 1 example 7', '-W: there are no packets in TCP'],
  ['-Z example 7', '-Z: DCCP is not supported'],
  [
    '-e /bin/sh example 7',
    "-e: nc of OpenBSD has no -e; to run a program per client use serve --reply -t 'exec PROGRAM'",
  ],
  ['-y example 7', "unknown option '-y'"],
  ['--verbose example 7', "unknown option '--verbose'"],
  ['-w', '-w needs a value'],
  ['-w x example 7', "-w: 'x' is not allowed; expected a number of seconds"],
  ['-w 0 example 7', "-w: '0' is not allowed"],
  ['-q x example 7', "-q: 'x' is not allowed"],
  ['-k 7', '-k needs -l'],
  ['-zl 7', '-z and -l exclude each other'],
  ['-46 example 7', '-4 and -6 exclude each other'],
  ['-U -s /tmp/x /run/x', '-U and -s or -p exclude each other'],
  ['-U', '-U takes one path, not 0'],
  ['-lU a b', '-U takes one path, not 2'],
  ['-lc 7', '-c with -l needs a certificate; use serve --tls auto'],
  ['-l', 'the port is missing'],
  ['-l a b 7', "too many operands: 'a b 7'"],
  ['-l -p 7 8', '-l with -p or -s takes no operands'],
  ['example', 'the port is missing; expected HOST PORT'],
  ['-v', 'the host is missing; expected HOST PORT'],
  ['example 7 8', "too many operands: 'example 7 8'"],
  ['example http', "the port 'http' must be a number"],
  ['-p http example 7', "the port 'http' must be a number"],
  ['example 7-8', "a range of ports, '7-8', needs -z"],
  ['-n example 7', "-n: 'example' is not an IP address"],
]

t.test('what cannot be translated is refused in words', t => {
  for (const [nc, says] of mistakes) {
    const expected = { code: 'ERR_OPTION', message: `nc: ${says}` }
    const found = t.throws(() => translate(nc.split(' '), 'other'), { code: 'ERR_OPTION' }, nc) as unknown as Error
    t.ok(found.message.startsWith(expected.message), `${nc}: ${found.message}`)
  }
  t.end()
})

t.test('a usage error: exit 2 and one line', async t => {
  const { code, stderr } = await run(t, ['nc', '-u', 'example', '7'], { faults: ['nc: -u: UDP is not supported'] })
  t.equal(code, 2)
  t.match(stderr, /^tcp-pipe: [^\n]+\n$/)
  for (const words of [[], ['-h'], ['--help']]) {
    const { code, stdout } = await run(t, ['nc', ...words])
    t.equal(code, 0)
    t.match(String(stdout), /^Examples:\n[\s\S]*Usage: tcp-pipe nc /)
  }
})
