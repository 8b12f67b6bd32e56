import t from 'tap'
import { withHint } from '../../cli/hints.js'
import { run } from '../e2e/support.js'

/** Words of the command line → the remedy at the end of the one line on stderr. */
const habits: [line: string[], says: string][] = [
  [
    ['localhost', '3000'],
    "'localhost'; did you mean 'tcp-pipe send --to localhost:3000' or 'tcp-pipe nc localhost 3000'?",
  ],
  [['localhost:3000'], "did you mean 'tcp-pipe send --to localhost:3000' or 'tcp-pipe serve localhost:3000'?"],
  [['3000'], "did you mean 'tcp-pipe send --to 3000' or 'tcp-pipe serve 3000'?"],
  [['unix:/run/x'], "did you mean 'tcp-pipe send --to unix:/run/x'"],
  [['-l', '3000'], "unknown option '-l'; for the options of nc use: tcp-pipe nc -l 3000"],
  [['-lk', '3000'], 'tcp-pipe nc -lk 3000'],
  [['-zv', 'a', '3000'], 'tcp-pipe nc -zv a 3000'],
  [
    ['pipe', '-', '--also', ':1'],
    `unknown option '--also'; pipe has one destination: use serve --also, or -t "tee FILE"`,
  ],
  [
    ['pipe', '-', '--send-proxy-protocol', 'v2'],
    "unknown option '--send-proxy-protocol'; serve --to and proxy have it: pipe has no client to name",
  ],
  [['serve', '-l', '3000'], "unknown option '-l'; serve always listens: tcp-pipe serve PORT"],
  [['serve', '-p', '3000'], 'the address is a word: tcp-pipe serve PORT'],
  [['serve', '--port', '3000'], 'the address is a word: tcp-pipe serve PORT'],
  [['send', '--port', '3000'], 'use --to HOST:PORT'],
  [['send', '-p', '3000'], 'use --to HOST:PORT'],
  [['send', '-l'], 'to listen use: tcp-pipe serve PORT'],
  [['send', '-z'], 'to see whether a port is open use: tcp-pipe check HOST:PORT'],
  [['send', '-u'], 'UDP is not supported; use nc -u or socat'],
  [['proxy', '-l', '1'], 'the addresses are words: tcp-pipe proxy LISTEN TARGET'],
  [['send', 'localhost:3000'], 'no such file or directory; did you mean --to localhost:3000?'],
  [['send', '[::1]:3000'], 'did you mean --to [::1]:3000?'],
  [['send', 'test'], "EISDIR: 'test' is a directory; to send it use: tar c test | tcp-pipe send"],
  [['serve', '0', '--from', 'test'], 'to send it use: tar c test | tcp-pipe serve --once --from -'],
]

t.test('a habit from another program: exit 2, and one line with the remedy', async t => {
  t.jobs = 4
  for (const [line, says] of habits)
    t.test(line.join(' '), async t => {
      const { code, stderr, stdout } = await run(t, line, { faults: [says] })
      t.equal(code, 2)
      t.equal(stdout.length, 0)
      t.match(stderr, /^tcp-pipe: [^\n]+\n$/)
    })
})

t.test('other mistakes get no hint', t => {
  t.equal(withHint("unknown command 'sevre'; did you mean 'serve'?", ['sevre']), undefined)
  t.equal(withHint("'a.bin' cannot be read: ENOENT: no such file or directory", ['send', 'a.bin']), undefined)
  t.equal(withHint("'x:1' cannot be read: ENOENT: no such file or directory", ['send', 'x:1', '--to', ':2']), undefined)
  t.equal(withHint("unknown option '--ot'; did you mean '--to'?", ['send', '--ot']), undefined)
  t.end()
})
