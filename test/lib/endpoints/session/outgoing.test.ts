import { createHash } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { isDifferent, isGone, Outgoing, type OutgoingOptions } from '../../../../lib/endpoints/session/outgoing.js'
import { maxPayload } from '../../../../lib/formats/session-frames.js'
import { noise } from '../../../laws/support.js'

const sha256 = (bytes: string | Buffer) => createHash('sha256').update(bytes).digest('hex')

/** A link that takes so many frames. */
class FakeLink {
  room = Number.POSITIVE_INFINITY
  /** What was sent, in words. */
  readonly sent: string[] = []
  readonly data: Buffer[] = []
  /** Length and digest of the checks and of the end. */
  readonly checks: (readonly [type: string, offset: number, sha256: string | undefined])[] = []

  get isFull(): boolean {
    return this.room <= 0
  }

  sendData(offset: number, parts: readonly Buffer[], isChecked: boolean): void {
    const bytes = Buffer.concat(parts)
    this.room--
    this.data.push(bytes)
    this.sent.push(`${isChecked ? 'checked' : 'data'} ${offset}+${bytes.length}`)
  }

  send(type: string, offset: number, facts?: object): void {
    this.room--
    this.checks.push([type, offset, (facts as { sha256?: string }).sha256])
    this.sent.push(`${type} ${offset}`)
  }

  /** What was sent since the last call. */
  take(): string[] {
    return this.sent.splice(0)
  }
}

function open(options: Partial<OutgoingOptions> = {}) {
  const outgoing = new Outgoing({ window: 1000, digest: true, rereadable: false, ...options })
  const state = { room: 0 }
  const append = (bytes: string | Buffer) => outgoing.append(Buffer.from(bytes), () => void state.room++)
  return { outgoing, link: new FakeLink(), state, append }
}

t.test('data, checks and the end are sent in order', async t => {
  const { outgoing, link, append } = open({ window: 20 })
  append('abc')
  outgoing.pump(link)
  t.same(link.take(), ['checked 0+3'])
  append('def')
  append('ghijklmnopqr')
  outgoing.pump(link)
  t.same(
    link.take(),
    ['checked 3+3', 'check 6', 'checked 6+5', 'check 11', 'checked 11+5', 'check 16', 'checked 16+2'],
    'each quarter of the window',
  )
  t.equal(outgoing.isEnded, false)
  outgoing.end({ more: 1 })
  outgoing.pump(link)
  outgoing.pump(link)
  t.same(link.take(), ['end 18'], 'once')
  t.same([outgoing.isEnded, outgoing.isEndConfirmed, outgoing.length], [true, false, 18])
  const everything = Buffer.from('abcdefghijklmnopqr')
  t.same(Buffer.concat(link.data), everything)
  for (const [type, offset, digest] of link.checks)
    t.equal(digest, sha256(everything.subarray(0, offset)), `${type} at ${offset}`)
  t.equal(outgoing.sha256, sha256(everything))
})

t.test('without a digest there are no checks', async t => {
  const { outgoing, link, append } = open({ window: 16, digest: false })
  append('abcdefghij')
  outgoing.end({})
  outgoing.pump(link)
  t.same(link.take(), ['checked 0+10', 'end 10'])
  t.same(link.checks, [['end', 10, undefined]])
  t.equal(outgoing.sha256, undefined)
})

t.test('an end without data', async t => {
  const { outgoing, link } = open()
  outgoing.end({})
  outgoing.pump(link)
  t.same(link.checks, [['end', 0, sha256('')]])
})

t.test(
  'checks come at the latest each 4 MiB, and a frame has no more data than its receiver takes at once',
  async t => {
    const mib = 1024 * 1024
    for (const [isChecked, most] of [
      [true, 64 * 1024],
      [false, maxPayload.data],
    ] as const) {
      const { outgoing, link, append } = open({ window: 100 * mib })
      outgoing.isChecked = isChecked
      for (let i = 0; i < 3; i++) append(noise(3 * mib))
      outgoing.pump(link)
      t.same(
        link.checks.map(([, offset]) => offset),
        [6 * mib],
      )
      t.ok(link.data.every(({ length }) => length <= most))
      t.same([...new Set(link.take().map(line => line.split(' ')[0]))], [isChecked ? 'checked' : 'data', 'check'])
    }
  },
)

t.test('checks keep their distance when everything is confirmed at once', async t => {
  const { outgoing, link, append } = open({ window: 400 })
  for (let i = 0; i < 10; i++) {
    append(Buffer.alloc(30))
    outgoing.pump(link)
    outgoing.confirm(outgoing.length, outgoing.length, false)
  }
  t.same(
    link.checks.map(([, offset]) => offset),
    [120, 240],
  )
})

t.test('a full link takes nothing; when it is drained, it goes on there', async t => {
  const { outgoing, link, append } = open({ window: 16 })
  append('abcdefgh')
  outgoing.end({})
  link.room = 0
  outgoing.pump(link)
  t.same(link.take(), [])
  for (const expected of [['checked 0+4', 'check 4'], ['checked 4+4', 'check 8'], ['end 8'], []]) {
    link.room = 1
    outgoing.pump(link)
    t.same(link.take(), expected)
  }
})

t.test('no more is sent than both sides hold, until more is confirmed', async t => {
  for (const [window, peerWindow, isChecked, first] of [
    [16, 10, true, 10],
    [10, 16, true, 10],
    [20, Number.POSITIVE_INFINITY, true, 20],
    [16, 10, false, 16],
  ] as const) {
    const { outgoing, link, append } = open({ window, digest: false })
    outgoing.peerWindow = peerWindow
    outgoing.isChecked = isChecked
    const bytes = noise(30)
    append(bytes)
    outgoing.end({})
    outgoing.pump(link)
    const name = isChecked ? 'checked' : 'data'
    t.same(link.take(), [`${name} 0+${first}`])
    outgoing.confirm(3, 3, false)
    outgoing.pump(link)
    t.same(link.take(), [`${name} ${first}+3`])
    outgoing.confirm(first + 3, first + 3, false)
    outgoing.pump(link)
    if (first === 10) outgoing.confirm(23, 23, false)
    outgoing.pump(link)
    t.equal(link.take().at(-1), 'end 30')
    t.same(Buffer.concat(link.data), bytes)
  }
})

t.test('a full window makes the source wait, until enough is confirmed', async t => {
  const { outgoing, link, state, append } = open({ window: 10 })
  append('abcde')
  t.equal(state.room, 1, 'room for more')
  append('fghij')
  t.equal(state.room, 1, 'full')
  outgoing.pump(link)
  outgoing.confirm(0, 10, false)
  t.equal(state.room, 1, 'written, not on the disk')
  outgoing.confirm(1, 10, false)
  t.equal(state.room, 2)
  t.equal(outgoing.durable, 1)
  t.equal(outgoing.confirmed, 10)
  outgoing.confirm(5, 10, false)
  t.equal(state.room, 2, 'told once')
  append('klm')
  t.equal(state.room, 3)
})

t.test('for a source that can be read again, what is written is released', async t => {
  const { outgoing, link, state, append } = open({ window: 10, rereadable: true })
  append('abcdefghij')
  outgoing.pump(link)
  outgoing.confirm(0, 1, false)
  t.equal(state.room, 1)
  t.throws(() => outgoing.resume(0, undefined), { code: 'ERR_SESSION', message: /needs the bytes from 0 on/ })
  outgoing.resume(1, undefined)
})

t.test('what was not sent cannot be confirmed', async t => {
  const { outgoing, link, append } = open()
  append('abcd')
  const refused = { code: 'ERR_SESSION', message: 'the peer confirmed bytes that were not sent' }
  t.throws(() => outgoing.confirm(0, 1, false), refused, 'nothing is sent yet')
  outgoing.pump(link)
  for (const [durable, taken, isEnd] of [
    [0, 5, false],
    [5, 5, false],
    [3, 2, false],
    [0, Number.MAX_SAFE_INTEGER, false],
  ] as const)
    t.throws(() => outgoing.confirm(durable, taken, isEnd), refused, `${durable} ${taken} ${isEnd}`)
  outgoing.end({})
  outgoing.confirm(4, 4, true)
  t.notOk(outgoing.isEndConfirmed, 'the end is not sent yet: it is that of an earlier run')
  outgoing.pump(link)
  outgoing.confirm(2, 4, true)
  t.ok(outgoing.isEndConfirmed)
  outgoing.confirm(2, 2, false)
  t.ok(outgoing.isEndConfirmed, 'it stays so')
  t.equal(outgoing.confirmed, 4, 'never less')
})

t.test('it resumes at each offset that is kept', async t => {
  const bytes = noise(40)
  for (let released = 0; released <= 40; released += 5) {
    for (let offset = released; offset <= 40; offset++) {
      const { outgoing, link, append } = open({ window: 64 })
      append(bytes)
      outgoing.end({})
      outgoing.pump(link)
      outgoing.confirm(released, 40, false)
      const next = new FakeLink()
      outgoing.resume(offset, sha256(bytes.subarray(0, offset)))
      outgoing.pump(next)
      t.ok(Buffer.concat(next.data).equals(bytes.subarray(offset)), `${released} ${offset}`)
      t.same(
        next.checks,
        [16, 32]
          .filter(each => each >= Math.max(offset, released))
          .map(each => ['check', each, sha256(bytes.subarray(0, each))])
          .concat([['end', 40, sha256(bytes)]]),
      )
    }
  }
})

t.test('it cannot resume where it has nothing, or something else', async t => {
  const { outgoing, link, append } = open({ window: 16 })
  append('abcdefgh')
  outgoing.pump(link)
  outgoing.confirm(2, 2, false)
  for (const [offset, digest] of [
    [0, undefined],
    [1, sha256('a')],
    [9, sha256('abcdefghi')],
    [Number.MAX_SAFE_INTEGER, undefined],
  ] as const) {
    const error = errorOf(() => outgoing.resume(offset, digest))
    t.match(error, {
      code: 'ERR_SESSION',
      message: `the receiver needs the bytes from ${offset} on, which are not kept any more`,
    })
    t.same([isGone(error), isDifferent(error)], [true, false])
  }
  t.same([isGone(new Error('x')), isDifferent(new Error('x'))], [false, false])
})

t.test('a check that may have been lost is sent again: the receiver compares what it has', async t => {
  const { outgoing, link, append } = open({ window: 16 })
  append('abcdefgh')
  outgoing.pump(link)
  link.take()
  outgoing.resume(4, sha256('abcx'))
  link.room = 1
  outgoing.pump(link)
  t.same(link.take(), ['check 4'])
  t.same(link.checks.at(-1), ['check', 4, sha256('abcd')])
  link.room = 9
  outgoing.pump(link)
  t.same(link.take(), ['checked 4+4', 'check 8'])
  outgoing.resume(8, undefined)
  outgoing.resume(5, undefined)
  outgoing.pump(link)
  t.same(link.take(), ['checked 5+3', 'check 8'], 'only where it resumes')
})

function errorOf(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  return undefined
}

t.test('what the receiver has of an earlier run is skipped and compared', async t => {
  const bytes = noise(100)
  for (const size of [1, 7, 50, 60, 100])
    for (const offset of [1, 50, 99, 100]) {
      const { outgoing, link, state, append } = open({ window: 40 })
      outgoing.resume(offset, sha256(bytes.subarray(0, offset)))
      const pump = () => {
        for (let before = -1; before < link.data.length; ) {
          before = link.data.length
          outgoing.pump(link)
          const got = offset + Buffer.concat(link.data).length
          outgoing.confirm(got, got, false)
        }
      }
      for (let at = 0; at < 100; at += size) {
        append(bytes.subarray(at, at + size))
        pump()
      }
      outgoing.end({})
      pump()
      t.same(Buffer.concat(link.data), bytes.subarray(offset), `${size} ${offset}`)
      t.same(link.checks.at(-1), ['end', 100, sha256(bytes)])
      t.ok(link.checks.every(([, at]) => at > offset || at === 100))
      t.equal(state.room, Math.ceil(100 / size), 'the source never waits for nothing')
    }
})

t.test('a link that is lost while it skips changes nothing', async t => {
  const { outgoing, link, append } = open()
  outgoing.resume(6, sha256('abcdef'))
  append('abc')
  outgoing.pump(link)
  t.same(link.take(), [], 'not even an end')
  outgoing.confirm(6, 6, false)
  outgoing.resume(6, sha256('abcdef'))
  t.equal(isGone(errorOf(() => outgoing.resume(5, sha256('abcde')))), true)
  append('defg')
  outgoing.pump(link)
  t.same(link.take(), ['checked 6+1'])
})

t.test('other bytes than those of the earlier run', async t => {
  for (const [title, work] of [
    ['other bytes', append => append('abcx')],
    ['a byte at a time', append => [...'abcx'].map(append)],
    ['fewer', (append, outgoing) => [append('abc'), outgoing.end({})]],
    ['none', (_, outgoing) => outgoing.end({})],
  ] as [string, (append: (bytes: string) => void, outgoing: Outgoing) => unknown][]) {
    const { outgoing, append } = open()
    outgoing.resume(4, sha256('abcd'))
    const error = errorOf(() => work(append, outgoing))
    t.match(error, { code: 'ERR_SESSION', message: /^digest mismatch: the receiver has other bytes before \d$/ }, title)
    t.same([isGone(error), isDifferent(error)], [false, true], title)
  }
  const { outgoing } = open()
  t.ok(isGone(errorOf(() => outgoing.resume(4, undefined))), 'without a digest there is nothing to compare')
  outgoing.end({})
  t.ok(isGone(errorOf(() => outgoing.resume(4, sha256('abcd')))), 'after an empty stream')
})

t.test('any appends, confirmations, losses: all bytes arrive, and all checks are right', async () => {
  const step = fc.oneof(
    fc.record({ append: fc.nat(300) }),
    fc.record({ pump: fc.nat(5) }),
    fc.record({ confirm: fc.nat(400) }),
    fc.record({ resume: fc.nat(400) }),
  )
  const bytes = noise(20_000)
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 500 }), (steps, window) => {
      const { outgoing, link, append } = open({ window })
      let [got, confirmed] = [0, 0]
      const pump = (room: number) => {
        const before = link.data.length
        link.room = room
        outgoing.pump(link)
        for (const data of link.data.slice(before)) {
          if (!data.equals(bytes.subarray(got, got + data.length))) throw new Error(`data at ${got}`)
          got += data.length
        }
        for (const [type, offset, digest] of link.checks.splice(0))
          if (digest !== sha256(bytes.subarray(0, offset))) throw new Error(`${type} at ${offset}`)
      }
      for (const each of steps) {
        if ('append' in each) append(bytes.subarray(outgoing.length, outgoing.length + each.append))
        else if ('pump' in each) pump(each.pump)
        else if ('confirm' in each) {
          confirmed = Math.min(got, confirmed + each.confirm)
          outgoing.confirm(confirmed, confirmed, false)
        } else {
          got = Math.max(confirmed, got - each.resume)
          outgoing.resume(got, sha256(bytes.subarray(0, got)))
        }
      }
      outgoing.end({})
      for (let before = -1; before < got; ) {
        before = got
        outgoing.confirm(got, got, false)
        pump(Number.POSITIVE_INFINITY)
      }
      if (got !== outgoing.length) throw new Error(`${got} of ${outgoing.length}`)
    }),
    { seed: 16, numRuns: 300 },
  )
})
