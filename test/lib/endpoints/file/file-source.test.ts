import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import t from 'tap'
import type { Source } from '../../../../lib/endpoints/endpoint.js'
import { checkFiles, concatenate, fileSource } from '../../../../lib/endpoints/file/file-source.js'
import { closed, collect, heldSink, memorySink, until } from '../../network.js'
import { settled } from '../../pipes.js'

const size = 3_000_000
const content = Buffer.alloc(size, '0123456789')

const absent = (path: string) => !existsSync(path) && `${path} is missing`

t.test('checkFiles: what is missing, a directory or not to be read is told with its path', async t => {
  const dir = t.testdir({ a: 'one', b: '', sub: {} })
  t.same(
    (await checkFiles([join(dir, 'a'), join(dir, 'b')])).map(stats => stats.size),
    [3, 0],
  )
  await t.rejects(checkFiles([join(dir, 'a'), join(dir, 'none')]), { code: 'ENOENT', message: /none/ })
  await t.rejects(checkFiles([join(dir, 'sub')]), {
    code: 'EISDIR',
    message: `EISDIR: '${join(dir, 'sub')}' is a directory`,
  })
  if (process.getuid?.() === 0) return
  chmodSync(join(dir, 'a'), 0)
  await t.rejects(checkFiles([join(dir, 'a')]), { code: 'EACCES' })
})

t.test('a file is read to its end, and its bytes are counted', async t => {
  const path = join(t.testdir({ f: content, empty: '' }), 'f')
  const source = fileSource(path)
  t.ok((await collect(source)).equals(content))
  t.equal(source.bytesRead, size)
  t.same(source.warnings, [])
  const empty = fileSource(path.replace(/f$/, 'empty'))
  t.equal((await collect(empty)).length, 0)
  t.same(empty.warnings, [])
})

t.test('a file is read into blocks that are used again, while its sink releases them', async t => {
  const large = randomBytes(10_000_000)
  const source = fileSource(join(t.testdir({ large }), 'large'))
  const seen = new Set<ArrayBufferLike>()
  const sent: Buffer[] = []
  const sink = new Writable({
    highWaterMark: size,
    write(chunk: Buffer, _encoding, callback) {
      seen.add(chunk.buffer)
      const before = Buffer.from(chunk)
      sent.push(before)
      setImmediate(() => {
        t.ok(before.equals(chunk), 'it is not overwritten while the sink has it')
        callback()
      })
    },
  })
  source.lend?.(sink)
  await pipeline(source, sink)
  source.lend?.(undefined)
  t.ok(Buffer.concat(sent).equals(large))
  t.ok(seen.size < sent.length / 2, `${seen.size} blocks, ${sent.length} chunks`)
})

t.test('a file whose reads are slow is read by another thread', async t => {
  let time = 0
  t.intercept(performance, 'now', {
    value: () => {
      time += 10 // each read seems to have taken so long
      return time
    },
  })
  const large = Buffer.alloc(40_000_000, 'slow ')
  const source = fileSource(join(t.testdir({ large }), 'large'))
  t.ok((await collect(source)).equals(large), 'is read whole, by another thread and, now and then, at once')
  t.equal(source.bytesRead, large.length)
  t.equal(time, 40, 'two reads were tried at once')
})

t.test('an open descriptor is read from where it stands, and stays open', async t => {
  const fd = openSync(join(t.testdir({ f: 'skipped rest' }), 'f'), 'r')
  readSync(fd, Buffer.alloc(8))
  const source = fileSource(fd)
  t.equal(String(await collect(source)), 'rest')
  t.same(source.warnings, [])
  t.ok(fstatSync(fd))
  closeSync(fd)
})

t.test('a file that grows or shrinks while it is sent is sent as it was read, with a warning', async t => {
  const dir = t.testdir({ grows: content, shrinks: content, vanishes: content })
  for (const [name, change, sent] of [
    ['grows', (path: string) => appendFileSync(path, 'more'), size + 4],
    ['shrinks', (path: string) => truncateSync(path, 2_000_000), 2_000_000],
    ['vanishes', unlinkSync, size],
  ] as const) {
    const path = join(dir, name)
    const source = fileSource(path)
    await once(source, 'readable')
    change(path)
    t.equal((await collect(source)).length, sent, name)
    const warnings =
      sent === size ? [] : [`'${path}' changed while it was sent: it had ${size} bytes, ${sent} were sent`]
    t.same(source.warnings, warnings)
  }
})

t.test('files of /proc have no size, a device is read in blocks', async t => {
  const source = fileSource('/proc/self/status')
  t.match(String(await collect(source)), /^Name:/)
  t.same(source.warnings, [])
  const zeros = fileSource('/dev/zero')
  const [block] = await once(zeros, 'data')
  t.ok(block.length > 0)
  zeros.destroy()
  await closed(zeros)
})

const sysfs = '/sys/kernel/uevent_seqnum'

t.test(
  'a file of /sys has another size than it reports, and has not changed (G-04)',
  { skip: absent(sysfs) },
  async t => {
    const source = fileSource(sysfs)
    t.match(String(await collect(source)), /^\d+\n$/)
    t.not(statSync(sysfs).size, source.bytesRead)
    t.same(source.warnings, [])
  },
)

t.test('what cannot be opened or read fails with the error of the system', async t => {
  const dir = t.testdir({})
  await t.rejects(collect(fileSource(join(dir, 'none'))), { code: 'ENOENT', message: /none/ })
  await t.rejects(collect(fileSource(dir)), { code: 'EISDIR' })
  const fd = openSync('/dev/null', 'r')
  closeSync(fd)
  await t.rejects(collect(fileSource(fd)), { code: 'EBADF' })
  const write = openSync(join(dir, 'w'), 'w')
  t.teardown(() => closeSync(write))
  await t.rejects(collect(fileSource(write)), { code: 'EBADF' }, 'not open for reading')
})

t.test('a FIFO is read with backpressure, and let go while it is idle', async t => {
  const path = join(t.testdir({}), 'fifo')
  execFileSync('mkfifo', [path])
  spawn('sh', ['-c', 'head -c 3000000 /dev/zero > "$0"', path], { stdio: 'ignore' })
  const source = fileSource(path)
  const { sink, held, release } = heldSink()
  const piped = pipeline(source, sink)
  await until(() => held.length > 0 && source.readableLength >= source.readableHighWaterMark)
  release()
  await piped
  t.equal(source.bytesRead, 3_000_000)
  const writer = openSync(path, 'r+') // holds it open, and writes one byte
  const idle = fileSource(path)
  writeSync(writer, 'x')
  await once(idle, 'data')
  idle.destroy()
  await closed(idle)
  t.equal(idle.bytesRead, 1, 'it waits for more, and is let go')
  closeSync(writer)
})

t.test('FIFOs without a writer hold no thread, can be let go, and are read when a writer comes (G-09)', async t => {
  const path = join(t.testdir({}), 'fifo')
  execFileSync('mkfifo', [path])
  const sources = Array.from({ length: 8 }, () => fileSource(path)) // twice as many as there are threads
  for (const source of sources) source.resume()
  await stat(path)
  for (const source of sources) await closed(source.destroy())
  const source = fileSource(path)
  const content = collect(source)
  await stat(path)
  t.equal(source.readableEnded, false, 'it waits')
  spawn('sh', ['-c', 'printf hello > "$0"', path], { stdio: 'ignore' })
  t.equal(String(await content), 'hello')
})

t.test('destroyed in the middle, or before it is open, it leaves no descriptor', async t => {
  const path = join(t.testdir({ f: content }), 'f')
  const middle = fileSource(path)
  await once(middle, 'data')
  middle.destroy()
  const early = fileSource(path)
  early.destroy()
  await Promise.all([middle, early].map(source => source.closed || closed(source)))
  const targets = readdirSync('/proc/self/fd').map(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return 'the one of the listing itself'
    }
  })
  t.notOk(targets.includes(path), 'no descriptor is left')
})

t.test('concatenate: in order, each opened when its turn has come', async t => {
  const dir = t.testdir({ a: 'one ', b: '', c: content })
  const opened: string[] = []
  const source = concatenate(
    ['a', 'b', 'c'].map(name => () => {
      opened.push(name)
      return fileSource(join(dir, name))
    }),
  )
  t.same(opened, [])
  await once(source, 'readable')
  t.equal(opened[0], 'a')
  const whole = await collect(source)
  t.ok(whole.equals(Buffer.concat([Buffer.from('one '), content])))
  t.equal(source.bytesRead, size + 4)
  t.equal((await collect(concatenate([]))).length, 0)
})

t.test('concatenate: the warnings of all are kept, and sources that do not count are no bytes', async t => {
  const first: Source = Object.assign(Readable.from([Buffer.from('a')]), { warnings: ['changed'] })
  const source = concatenate([() => first, () => Readable.from([Buffer.from('b')])])
  t.equal(source.bytesRead, 0)
  await once(source, 'readable')
  t.equal(source.bytesRead, 0)
  t.equal(String(await collect(source)), 'ab')
  t.same(source.warnings, ['changed'])
  t.equal(source.bytesRead, 0)
})

t.test('concatenate: what came before an error is passed on', async t => {
  const dir = t.testdir({ a: 'one' })
  const sink = memorySink()
  const source = concatenate([() => fileSource(join(dir, 'a')), () => fileSource(join(dir, 'none'))])
  await t.rejects(pipeline(source, sink), { code: 'ENOENT' })
  t.equal(String(sink.data), 'one')
})

t.test('concatenate: what came before an error waits for a slow reader (G-51)', async t => {
  const dir = t.testdir({ a: 'one' })
  for (const second of ['none', '.']) {
    const source = concatenate([() => fileSource(join(dir, 'a')), () => fileSource(join(dir, second))])
    await once(source, 'readable')
    t.equal(await settled(() => Number(source.destroyed)), 0)
    t.equal(String(source.read()), 'one')
    t.match(await once(source, 'error'), [{ code: second === '.' ? 'EISDIR' : 'ENOENT' }])
  }
})

t.test('concatenate: a terminal is one while it is read', async t => {
  const terminal = Object.assign(new Readable({ read() {} }), { isTTY: true })
  const source = concatenate([() => Readable.from(['one']), () => terminal]) as Source & { isTTY?: boolean }
  t.notOk(source.isTTY)
  source.resume()
  await until(() => source.isTTY === true)
  source.destroy()
})

t.test('concatenate: a source that cannot be opened fails the whole', async t => {
  const source = concatenate([
    () => Readable.from(['one']),
    () => {
      throw new Error('cannot be opened')
    },
  ])
  await t.rejects(collect(source), { message: 'cannot be opened' })
})

t.test('concatenate: it waits for its reader, and destroys the source that is being read', async t => {
  const dir = t.testdir({})
  writeFileSync(join(dir, 'f'), Buffer.alloc(20_000_000))
  let inner: Source | undefined
  const source = concatenate([() => (inner = fileSource(join(dir, 'f')))])
  await once(source, 'readable')
  t.ok((await settled(() => source.bytesRead ?? 0)) < 5_000_000, 'it waits for its reader')
  source.destroy()
  await until(() => inner?.destroyed === true)
  const unused = concatenate([])
  unused.destroy()
  await closed(unused)
})
