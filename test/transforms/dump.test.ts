import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { Writable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { compose } from '../../lib/stages/compose.js'
import type { ConnectionInfo } from '../../lib/stages/context.js'
import { dump } from '../../transforms/dump.js'
import { spec } from '../../transforms/spec.js'
import { connection, noise } from '../laws/support.js'
import { cutEvery, errorOf, run, settled, source, textOf } from '../lib/pipes.js'

const forward: ConnectionInfo = { id: 'c2', number: 2, remote: '127.0.0.1', port: 4000, direction: 'forward' }

/** A stage that moves a clock on by so many milliseconds with each chunk. */
function fakeClock(t: Test, steps: number[]) {
  const { now } = performance
  let time = 1000
  performance.now = () => time
  t.teardown(() => {
    performance.now = now
  })
  return (chunk: Buffer) => {
    time += steps.shift() as number
    return chunk
  }
}

function stopClock(t: Test): void {
  const { now } = performance
  performance.now = () => 1000
  t.teardown(() => {
    performance.now = now
  })
}

interface FakeStderr extends Writable {
  /** Each write. */
  blocks: string[]
}

/** In the place of stderr until the test ends. */
function fakeStderr(t: Test, properties: object = {}): FakeStderr {
  const blocks: string[] = []
  const stderr = new Writable({
    highWaterMark: 2 ** 30,
    write(block, _encoding, callback) {
      blocks.push(String(block))
      callback()
    },
    ...properties,
  })
  const original = Object.getOwnPropertyDescriptor(process, 'stderr') as PropertyDescriptor
  Object.defineProperty(process, 'stderr', { value: stderr, configurable: true })
  t.teardown(() => Object.defineProperty(process, 'stderr', original))
  return Object.assign(stderr, { blocks })
}

/** What is shown for chunks, without the clock. */
async function shown(t: Test, options: Parameters<typeof dump>[0], chunks: (string | Buffer)[], info?: ConnectionInfo) {
  const { blocks } = fakeStderr(t)
  const { text, error } = await run([dump(options)], chunks, { connection: info })
  t.equal(error, undefined)
  t.equal(text, Buffer.concat(chunks.map(chunk => Buffer.from(chunk as string))).toString())
  return blocks.map(block => block.replaceAll(/\+\d+\.\d ms/g, '+0ms'))
}

t.test('each chunk: heading and rows, the offset goes on', async t => {
  const clock = fakeClock(t, [0, 1.25, 998.7, 1000, 75_500])
  const { blocks } = fakeStderr(t)
  const chunks = ['GET / HTTP/1.1\r\n\r\n', 'a', '\0\x1b[2J', '\xff'.repeat(16), 'b']
  t.equal(
    await textOf(
      [clock, dump()],
      chunks.map(chunk => Buffer.from(chunk, 'latin1')),
      { connection: forward },
    ),
    Buffer.from(chunks.join(''), 'latin1').toString(),
  )
  t.same(blocks, [
    '→ c2 127.0.0.1:4000 +0.0 ms 18 bytes · HTTP GET /\n' +
      '00000000  47 45 54 20 2f 20 48 54  54 50 2f 31 2e 31 0d 0a  |GET / HTTP/1.1..|\n' +
      '00000010  0d 0a                                             |..|\n',
    '→ c2 127.0.0.1:4000 +1.3 ms 1 byte\n' + '00000012  61                                                |a|\n',
    '→ c2 127.0.0.1:4000 +998.7 ms 5 bytes\n' + '00000013  00 1b 5b 32 4a                                    |..[2J|\n',
    '→ c2 127.0.0.1:4000 +1.0 s 16 bytes\n' +
      '00000018  ff ff ff ff ff ff ff ff  ff ff ff ff ff ff ff ff  |................|\n',
    '→ c2 127.0.0.1:4000 +1m15.5s 1 byte\n' + '00000028  62                                                |b|\n',
  ])
})

t.test('whose chunk it is', async t => {
  for (const [info, heading] of [
    [undefined, '→ +0ms 1 byte'],
    [forward, '→ c2 127.0.0.1:4000 +0ms 1 byte'],
    [connection, '← c1 [::1]:4711 +0ms 1 byte'],
    [{ ...forward, remote: 'unix', port: undefined }, '→ c2 unix +0ms 1 byte'],
    [{ ...forward, remote: 'a\x1b[2J\nb', port: undefined }, '→ c2 a\\e[2J\\nb +0ms 1 byte'],
  ] as const) {
    const [block = ''] = await shown(t, {}, ['x'], info)
    t.equal(block.split('\n')[0], heading)
  }
})

t.test('width, and no more than max of a chunk', async t => {
  const chunks = ['abcdefghij', 'k', 'lmno']
  for (const [options, expected] of [
    [
      { width: 8, max: 9 },
      [
        '→ +0ms 10 bytes\n00000000  61 62 63 64 65 66 67 68  |abcdefgh|\n00000008  69                       |i|\n… 1 more byte\n',
        '→ +0ms 1 byte\n0000000a  6b                       |k|\n',
        '→ +0ms 4 bytes\n0000000b  6c 6d 6e 6f              |lmno|\n',
      ],
    ],
    [
      { width: 2, max: 2 },
      [
        '→ +0ms 10 bytes\n00000000  61 62  |ab|\n… 8 more bytes\n',
        '→ +0ms 1 byte\n0000000a  6b     |k|\n',
        '→ +0ms 4 bytes\n0000000b  6c 6d  |lm|\n… 2 more bytes\n',
      ],
    ],
  ] as const) {
    t.same(await shown(t, options, chunks), expected)
  }
})

t.test('a large chunk comes in parts, each with a heading', async t => {
  const { blocks } = fakeStderr(t)
  const bytes = noise(200_000)
  await run([compose((chunk: Buffer) => chunk), dump({ max: 150_000 })], [bytes], { connection: forward })
  t.ok(Math.max(...blocks.map(block => block.length)) < 350_000)
  t.same(
    blocks.map(block => block.split('\n')[0]?.replace(/\+.* ms/, '+0ms')),
    ['→ c2 127.0.0.1:4000 +0ms 200,000 bytes', ...['', ''].map(() => '→ c2 127.0.0.1:4000 continued')],
  )
  const rows = blocks
    .join('')
    .split('\n')
    .filter(line => line.startsWith('0'))
  t.equal(rows.length, Math.ceil(150_000 / 16))
  t.ok(rows.every((row, i) => row.startsWith((i * 16).toString(16).padStart(8, '0'))))
  t.equal(blocks.join('').split('… ').length, 2)
  t.ok(blocks.at(-1)?.endsWith('… 50,000 more bytes\n'))
})

t.test('no more than 512 bytes of a chunk, unless max says otherwise', async t => {
  const chunk = 'x'.repeat(4416)
  const rows = (blocks: string[]) =>
    blocks
      .join('')
      .split('\n')
      .filter(line => line.startsWith('0')).length
  const [block = ''] = await shown(t, {}, [chunk])
  t.equal(rows([block]), 32)
  t.ok(block.endsWith('|\n… 3,904 more bytes\n'))
  for (const options of [{ max: 0 }, { max: 4416 }]) {
    const all = await shown(t, options, [chunk])
    t.equal(rows(all), 276)
    t.notMatch(all.join(''), '…')
  }
})

t.test('text', async t => {
  const chunks = [
    'GET / HTTP/1.1\r\n\r\n',
    '\x1b[2J\0\u202eäöü',
    Buffer.of(0xe2, 0x82),
    Buffer.of(0xac, 0x0a),
    '€ß'.repeat(9),
  ]
  t.same(await shown(t, { text: true, max: 22 }, chunks.slice(0, 4)), [
    '→ +0ms 18 bytes · HTTP GET /\n  GET / HTTP/1.1\\r\\n\n  \\r\\n\n',
    '→ +0ms 14 bytes\n  \\e[2J\\x00\\u202eäöü\n',
    '→ +0ms 2 bytes\n  \\xe2\\x82\n',
    '→ +0ms 2 bytes\n  \\xac\\n\n',
  ])
  t.same(await shown(t, { text: true, max: 11 }, chunks.slice(4)), ['→ +0ms 45 bytes\n  €ß€ß\\xe2\n… 34 more bytes\n'])
  const parts = await shown(t, { text: true, max: 0 }, ['x'.repeat(100_000)])
  t.same(
    parts.map(part => part.split('\n')[0]),
    ['→ +0ms 100,000 bytes', '→ continued'],
  )
})

t.test('brief: one line for each chunk', async t => {
  stopClock(t)
  const chunks = ['GET / HTTP/1.1\r\n\r\n', '\x1b[2J\nä', 'x'.repeat(100_000), `HTTP/1.1 200 OK\r\n${'y'.repeat(100)}`]
  t.same(await shown(t, { brief: true }, chunks, forward), [
    '→ c2 +0ms 18 bytes · HTTP GET / · GET / HTTP/1.1\\r\\n\\r\\n\n',
    '→ c2 +0ms 7 bytes · \\e[2J\\nä\n',
    `→ c2 +0ms 100,000 bytes · ${'x'.repeat(50)}…\n`,
    `→ c2 +0ms 117 bytes · HTTP 200 OK · HTTP/1.1 200 OK\\r\\n${'y'.repeat(21)}…\n`,
  ])
})

t.test('the two directions of a connection: a reply shows the time since its request', async t => {
  stopClock(t)
  const { blocks } = fakeStderr(t)
  const info = { ...forward, id: 'turns' }
  const stages = (['forward', 'reply'] as const).map(direction =>
    dump({ brief: true }, { connection: { ...info, direction } }),
  )
  const pass = async (side: 0 | 1, time: number, text: string) => {
    performance.now = () => time
    const stage = stages[side] as (typeof stages)[0]
    stage.write(text)
    await once(stage, 'data')
  }
  await pass(0, 1000, '*1\r\n$4\r\nPING\r\n')
  await pass(1, 1001.2, '+PONG\r\n')
  await pass(1, 1002.2, '+PONG\r\n')
  await pass(0, 1502.2, 'x')
  await pass(0, 3502.2, 'y')
  await pass(1, 3503, 'z')
  for (const stage of stages) stage.destroy()
  t.same(blocks, [
    '→ turns +0.0 ms 14 bytes · RESP PING 1 arg · *1\\r\\n$4\\r\\nPING\\r\\n\n',
    '← turns +1.2 ms 7 bytes · RESP PONG · +PONG\\r\\n\n',
    '← turns +1.0 ms 7 bytes · RESP PONG · +PONG\\r\\n\n',
    '→ turns +500.0 ms 1 byte · x\n',
    '→ turns +2.0 s 1 byte · y\n',
    '← turns +0.8 ms 1 byte · z\n',
  ])
})

t.test('on a terminal, rows and headings fit its width, which can change', async t => {
  stopClock(t)
  const chunk = 'GET /a/long/path/for/a/narrow/terminal HTTP/1.1\r\n\r\n'
  for (const [columns, perRow, heading] of [
    [200, 16, '→ c2 127.0.0.1:4000 +0ms 51 bytes · HTTP GET /a/long/path/for/a/narrow/terminal'],
    [80, 16, '→ :4000 +0ms 51 bytes · HTTP GET /a/long/path/for/a/narrow/terminal'],
    [50, 8, '→ :4000 +0ms 51 bytes · HTTP GET /a/long/path/…'],
    [40, 4, '→ :4000 +0ms 51 bytes · HTTP GET /a/…'],
    [20, 1, '→ :4000 +0ms 51 …'],
    [8, 1, '→ :4000…'],
    [0, 16, '→ :4000 +0ms 51 bytes · HTTP GET /a/long/path/for/a/narrow/terminal'],
  ] as const) {
    const terminal = { isTTY: true, columns }
    const blocks = await shownOn(t, terminal, dump({}, { connection: forward }), chunk)
    const lines = blocks.join('').split('\n')
    t.equal(lines[0]?.replace(/\+\d\.\d ms/, '+0ms'), heading, `heading at ${columns}`)
    t.equal(lines.filter(line => line.startsWith('0')).length, Math.ceil(51 / perRow), `rows at ${columns}`)
    if (columns >= 20)
      t.ok(
        lines.every(line => line.length <= (columns || 80)),
        `all of it fits ${columns}`,
      )
  }
  const [text = ''] = await shownOn(t, { isTTY: true, columns: 20 }, dump({ text: true }), 'a'.repeat(30))
  t.match(text, /\n {2}a{18}\n {2}a{12}\n$/)
  const [brief = ''] = await shownOn(t, { isTTY: true, columns: 30 }, dump({ brief: true }), 'a'.repeat(90))
  t.equal(brief.length, 31)
  const named = dump({ brief: true }, { connection: forward })
  t.match((await shownOn(t, { isTTY: true, columns: 80 }, named, 'a'))[0], /^→ :4000 \+/, 'as the log names it')
  const unix = { ...forward, remote: 'unix', port: undefined }
  const portless = dump({}, { connection: unix })
  t.match((await shownOn(t, { isTTY: true, columns: 20 }, portless, 'a'))[0], /^→ c2 \+/, 'without a port, its id')
  const [wide = ''] = await shownOn(t, { isTTY: true, columns: 50 }, dump({ width: 16 }), 'a'.repeat(16))
  t.match(wide, '|aaaaaaaaaaaaaaaa|', 'a given width stays')
})

async function shownOn(t: Test, terminal: object, stage: ReturnType<typeof dump>, chunk: string): Promise<string[]> {
  const { blocks, ...rest } = fakeStderr(t)
  Object.assign(process.stderr, terminal, rest)
  await run([stage], chunk)
  return blocks
}

// The program that runs the tests may have set them.
delete process.env.NO_COLOR
delete process.env.FORCE_COLOR

t.test('colours', async t => {
  const colored =
    '\x1b[1m→ +0.0 ms 2 bytes\x1b[22m\n\x1b[90m00000000\x1b[39m  \x1b[36m61 \x1b[32m0a \x1b[39m    |\x1b[36ma\x1b[32m.\x1b[39m|\n'
  const plain = '→ +0.0 ms 2 bytes\n00000000  61 0a     |a.|\n'
  for (const [color, hasColors, expected] of [
    ['auto', undefined, plain],
    ['auto', () => false, plain],
    ['auto', () => true, colored],
    ['always', undefined, colored],
    ['always', () => false, colored],
    ['never', () => true, plain],
  ] as const) {
    const stderr = fakeStderr(t)
    if (hasColors) Object.assign(stderr, { hasColors })
    await run([dump({ color, width: 3 })], 'a\n')
    t.same(stderr.blocks, [expected], `${color}, ${hasColors}`)
  }
})

t.test('a file', async t => {
  const dir = t.testdir()
  const stderr = fakeStderr(t)
  Object.assign(stderr, { hasColors: () => true })
  const file = `${dir}/{id}`
  await run([dump({ file, width: 1 })], ['a', 'b'], { connection: forward })
  const rows = (path: string) => readFileSync(path, 'utf8').replaceAll(/\+\d+\.\d ms/g, '+0ms')
  const heading = '→ c2 127.0.0.1:4000 +0ms 1 byte\n'
  t.equal(rows(`${dir}/c2`), `${heading}00000000  61  |a|\n${heading}00000001  62  |b|\n`, 'not coloured')
  await run([dump({ file, brief: true, append: true })], 'cc', { connection: { ...forward, direction: 'reply' } })
  t.match(rows(`${dir}/c2`), /b\|\n← c2 \+0ms 2 bytes · cc\n$/)
  await run([dump({ file, brief: true, force: true, color: 'always' })], 'cc', { connection: forward })
  t.equal(rows(`${dir}/c2`), '\x1b[1m→ c2 +0ms 2 bytes\x1b[22m · cc\n')
  t.match(await errorOf([dump({ file })], 'x', { connection: forward }), {
    code: 'ERR_FILE_EXISTS',
    message: `dump: ${dir}/c2 exists; append=true writes at its end, force=true overwrites it`,
  })
  await run([dump({ file: `${dir}/empty` })], '')
  t.equal(rows(`${dir}/empty`), '', 'it is there, also if nothing came')
  await run([dump({ file: `${dir}/{remote}` })], 'x', { connection: { ...forward, remote: '../../x' } })
  t.same(readdirSync(dir).sort(), ['.._.._x', 'c2', 'empty'], 'each name stays in its place')
  t.same(stderr.blocks, [])
})

t.test('no file before the first chunk', async t => {
  const file = `${t.testdir()}/a`
  const stage = dump({ file })
  stage.on('data', () => {})
  await setImmediate()
  t.notOk(existsSync(file))
  stage.destroy()
})

t.test('a chunk goes on when stderr has taken it', async t => {
  const waiting: (() => void)[] = []
  fakeStderr(t, {
    highWaterMark: 1,
    write: (_block: Buffer, _encoding: string, callback: () => void) => waiting.push(callback),
  })
  const stage = compose(dump())
  let passed = 0
  stage.on('data', chunk => {
    passed += chunk.length
  })
  source(cutEvery(10, noise(1000))).pipe(stage)
  t.equal(await settled(() => passed), 0)
  waiting.shift()?.()
  t.equal(await settled(() => passed), 10)
  stage.destroy()
})

t.test('a stderr that fails stops no connection', async t => {
  fakeStderr(t, {
    highWaterMark: 1,
    write: (_block: Buffer, _encoding: string, callback: (error: Error) => void) => callback(new Error('EPIPE')),
  })
  const input = noise(100_000)
  for (const _ of [1, 2]) {
    const { chunks, error } = await run([dump()], cutEvery(1000, input))
    t.equal(error, undefined)
    t.ok(Buffer.concat(chunks).equals(input))
  }
  t.equal(process.stderr.listenerCount('error'), 1, 'one listener for all')
})

t.test('options are checked', async t => {
  t.throws(() => spec('dump append=true'), { code: 'ERR_SPEC', message: /dump append needs file/ })
  t.throws(() => spec('dump force=true'), { code: 'ERR_SPEC', message: /dump force needs file/ })
  t.throws(() => spec('dump width=0'), { code: 'ERR_SPEC', message: /from 1 to 256/ })
  t.throws(() => spec('dump text=true brief=true'), { message: /dump text and brief exclude each other/ })
  t.throws(() => spec('dump text=true width=8'), { message: /dump width and text exclude each other/ })
  t.throws(() => spec('dump brief=true width=8'), { message: /dump width and brief exclude each other/ })
  t.throws(() => spec('dump max=none'), { message: /'none' is not allowed; expected bytes.* or 'off'/ })
  for (const text of ['dump max=off', 'dump max=0 text=true', 'dump brief=true']) t.doesNotThrow(() => spec(text), text)
  t.doesNotThrow(() => spec('dump max=1k width=32 color=never file=x append=true'))
})
