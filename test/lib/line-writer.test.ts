import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, openSync, readFileSync, readSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { lineWriter } from '../../lib/line-writer.js'
import { missing } from '../e2e/support.js'

const skip = missing('mkfifo')
/** Far more than a pipe holds. */
const count = 200

t.test('each line as it is formatted', { skip }, async t => {
  const { fd, read } = pipe(t)
  const write = lineWriter(line => `> ${line}`, { fd })
  write('one\n')
  write('two\n')
  t.equal(read(), '> one\n> two\n')
})

t.test('a full pipe: the lines wait for whoever reads it, all of them come, whole', { skip }, async t => {
  const { fd, path } = pipe(t)
  const file = join(dirname(path), 'received')
  const output = openSync(file, 'w')
  const reader = spawn('head', ['-n', String(count), path], { stdio: ['ignore', output, 'inherit'] })
  closeSync(output)
  const ended = once(reader, 'close')
  const write = lineWriter(line => line, { fd, patience: 60_000 })
  for (let i = 0; i < count; i++) write(lineOf(i))
  await ended
  t.ok(readFileSync(file, 'utf8') === Array.from({ length: count }, (_, i) => lineOf(i)).join(''))
})

t.test(
  'a pipe that nobody reads: what is lost is counted, and told with the next line that has room',
  { skip },
  async t => {
    const { fd, read } = pipe(t)
    const write = lineWriter(line => line, { fd, patience: 20 })
    for (let i = 0; i < count; i++) write(lineOf(i))
    const before = parse(read().replace(/[^\n]*$/, '')) // the last one is cut
    t.same(
      before.map(({ i }) => i),
      before.map((_, i) => i),
      'the first ones',
    )
    write(lineOf(count))
    write(lineOf(count + 1))
    const [rest, ...behind] = read().split(/(?<=\n)/)
    t.match(rest, /^[^{]*\}\n$/, 'the end of the one that was begun')
    t.match(parse(behind.join('')), [
      { level: 40, time: Number, lost: count - before.length - 1, msg: /nobody has read stderr/ },
      { i: count },
      { i: count + 1 },
    ])
  },
)

t.test('where one line has waited in vain the next ones do not', { skip }, async t => {
  const { fd } = pipe(t)
  const write = lineWriter(line => line, { fd, patience: 200 })
  const started = performance.now()
  for (let i = 0; i < count; i++) write(lineOf(i))
  t.ok(performance.now() - started < 200 * 20, 'a few times at most')
})

t.test('a descriptor that is gone is no failure', async t => {
  const write = lineWriter(line => line, { fd: 1_000_000 })
  t.doesNotThrow(() => write('x\n'))
  t.doesNotThrow(() => write('x\n'))
})

/** Longer than what a pipe takes whole or not at all. */
function lineOf(i: number): string {
  return `${JSON.stringify({ i, text: 'x'.repeat(5000) })}\n`
}

function parse(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line))
}

/** Both ends of a pipe that does not block, in one descriptor. */
function pipe(t: Test): { fd: number; path: string; read(): string } {
  const path = join(t.testdir(), 'pipe')
  spawnSync('mkfifo', [path])
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  t.teardown(() => closeSync(fd))
  const space = Buffer.alloc(1024 * 1024)
  return { fd, path, read: () => space.toString('utf8', 0, readSync(fd, space)) }
}
