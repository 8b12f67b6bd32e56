import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, openSync, readFileSync, readSync } from 'node:fs'
import { Socket } from 'node:net'
import { dirname, join } from 'node:path'
import type { Writable } from 'node:stream'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { errorCode } from '../../../lib/text/errors.js'
import { lineWriter } from '../../../lib/text/line-writer.js'
import { missing } from '../../e2e/support.js'

const skip = missing('mkfifo')

/** Far more than a pipe holds. */
const count = 200

t.test('each line as it is formatted', { skip }, async t => {
  const { writer, read } = pipe(t, line => `> ${line}`)
  writer.write('one\n')
  writer.write('two\n')
  t.equal(read(), '> one\n> two\n')
})

t.test('a full pipe: the lines wait for whoever reads it, all of them come, whole', { skip }, async t => {
  const { writer, path, stream } = pipe(t)
  for (let i = 0; i < count; i++) writer.write(lineOf(i))
  t.ok(stream.writableLength > 0)
  const file = join(dirname(path), 'received')
  const output = openSync(file, 'w')
  const reader = spawn('head', ['-n', String(count + 1), path], { stdio: ['ignore', output, 'inherit'] })
  closeSync(output)
  writer.write(lineOf(count))
  await once(reader, 'close')
  t.ok(readFileSync(file, 'utf8') === Array.from({ length: count + 1 }, (_, i) => lineOf(i)).join(''))
})

t.test('behind what others have written to the stream, not into it', { skip }, async t => {
  const { writer, stream, read } = pipe(t)
  const big = 'y'.repeat(100_000)
  stream.write(`${big}\n`)
  writer.write('a line\n')
  let text = ''
  while (!text.endsWith('line\n')) {
    text += read()
    await new Promise(setImmediate)
  }
  t.ok(text === `${big}\na line\n`)
})

t.test(
  'what waits is bounded: lines beyond it are counted, and told with the next one that has room',
  { skip },
  async t => {
    const { writer, stream, read } = pipe(t, undefined, 100_000)
    for (let i = 0; i < count; i++) writer.write(lineOf(i))
    t.ok(stream.writableLength < 200_000)
    let text = ''
    while (stream.writableLength > 0) {
      text += read()
      await new Promise(setImmediate)
    }
    writer.write(lineOf(count))
    const lines = parse(text + read())
    const kept = lines.length - 2
    t.same(
      lines.slice(0, kept).map(({ i }) => i),
      Array.from({ length: kept }, (_, i) => i),
      'the first ones',
    )
    t.match(lines.slice(kept), [{ level: 40, time: String, lost: count - kept, msg: /^log lines lost/ }, { i: count }])
    writer.write(lineOf(0))
    t.match(parse(read()), [{ i: 0 }], 'told once')
  },
)

t.test(
  'a full disk: what is lost is told where there is room again',
  { skip: process.platform !== 'linux' },
  async t => {
    const code = `
    const fs = await import('node:fs')
    const { lineWriter } = await import(${JSON.stringify(new URL('../../../lib/text/line-writer.js', import.meta.url).href)})
    const [full, file] = process.argv.slice(1)
    const fd = fs.openSync(full, 'w')
    const writer = lineWriter(line => line, { fd })
    for (let i = 0; i < 3; i++) writer.write('gone\\n')
    fs.closeSync(fd)
    if (fs.openSync(file, 'w') !== fd) throw new Error('another descriptor')
    if (process.argv[3] === 'more') writer.write('here\\n')
    writer.end()`
    for (const more of ['more', 'none']) {
      const file = join(t.testdir(), 'log')
      const env = { ...process.env, NODE_OPTIONS: '' }
      await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code, '/dev/full', file, more], { env })
      const [first, ...rest] = readFileSync(file, 'utf8').split(/(?<=\n)/)
      t.match(JSON.parse(String(first)), { lost: 3 })
      t.same(rest, more === 'more' ? ['here\n'] : [], more === 'more' ? 'with the next line' : 'at the end')
    }
  },
)

t.test('a line that a full disk has cut is ended before the next one', { skip: missing('prlimit') }, async t => {
  const file = join(t.testdir(), 'log')
  const code = `
    const { ftruncateSync, openSync } = await import('node:fs')
    const { lineWriter } = await import(${JSON.stringify(new URL('../../../lib/text/line-writer.js', import.meta.url).href)})
    process.on('SIGXFSZ', () => {})
    const fd = openSync(process.argv[1], 'a')
    const writer = lineWriter(line => line, { fd })
    for (const letter of 'abc') writer.write(letter.repeat(3000) + '\\n')
    const { spawnSync } = await import('node:child_process')
    spawnSync('prlimit', ['--fsize=unlimited', '--pid', String(process.pid)])
    writer.write('d\\n')`
  const env = { ...process.env, NODE_OPTIONS: '' }
  const words = ['--fsize=5000:unlimited', process.execPath, '--input-type=module', '-e', code, file]
  await promisify(execFile)('prlimit', words, { env })
  const [a, b, told, d] = readFileSync(file, 'utf8').split('\n')
  t.same([a?.length, b?.length, d], [3000, 1999, 'd'])
  t.match(JSON.parse(String(told)), { lost: 2 })
})

t.test('a reader that has gone, and a descriptor that there is not, are no failure', { skip }, async t => {
  const writer = lineWriter(line => line, { fd: 1_000_000 })
  t.doesNotThrow(() => writer.write('x\n'))
  const { writer: other, stream, read } = pipe(t)
  for (let i = 0; i < count; i++) other.write(lineOf(i))
  read()
  const closed = new Promise(resolve => stream.once('close', resolve))
  stream.destroy(new Error('gone'))
  await closed
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

/** A writer to a pipe that does not block, and what reads from that. */
function pipe(t: Test, format = (line: string) => line, mostWaiting?: number) {
  const path = join(t.testdir(), 'pipe')
  spawnSync('mkfifo', [path])
  const reading = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
  const stream: Writable = new Socket({ fd, readable: false })
  t.teardown(() => {
    stream.destroy()
    closeSync(reading)
  })
  const writer = lineWriter(format, { fd, stream, ...(mostWaiting && { mostWaiting }) })
  const space = Buffer.alloc(1024 * 1024)
  const read = () => {
    try {
      return space.toString('utf8', 0, readSync(reading, space))
    } catch (error) {
      if (errorCode(error) === 'EAGAIN') return '' // nothing is there
      throw error
    }
  }
  return { writer, path, stream, read }
}
