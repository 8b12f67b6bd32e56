import t from 'tap'
import { errorOf, factsOf, helloOf, receiptOf, welcomeOf } from '../../../../lib/endpoints/session/hello.js'
import type { Frame } from '../../../../lib/formats/session-frames.js'

const digest = '0123456789abcdef'.repeat(4)

const hello = {
  id: digest.slice(0, 32),
  secret: digest.slice(1, 33),
  group: digest.slice(2, 34),
  kind: 'transfer',
  window: 1,
  rereadable: false,
  again: true,
  restart: false,
  received: 0,
}

const welcome = { checked: true, window: 1 }

const receipt = { bytes: 0, sha256: digest }

function frame(type: Frame['type'], facts: unknown): Frame {
  const payload = Buffer.from(typeof facts === 'string' ? facts : JSON.stringify(facts))
  return { type, flags: 0, offset: 0, payload }
}

t.test('the known fields are read, and no others', async t => {
  t.same(helloOf(frame('hello', hello)), hello)
  const described = { name: 'a/b', size: 0, mode: 0o7777, mtime: -1.5 }
  t.same(helloOf(frame('hello', { ...hello, ...described })), { ...hello, ...described })
  t.same(helloOf(frame('hello', { ...hello, kind: 'tunnel', more: 1 })), { ...hello, kind: 'tunnel' })
  const text = JSON.stringify(hello).replace('{', '{"__proto__":{"name":"x"},"constructor":1,')
  t.same(Object.keys(helloOf(frame('hello', text))).sort(), Object.keys(hello).sort())
  t.same(welcomeOf(frame('welcome', { ...welcome, more: 1 })), welcome)
  t.same(welcomeOf(frame('welcome', { ...welcome, sha256: digest })), { ...welcome, sha256: digest })
})

t.test('each wrong field is refused in words', async t => {
  const noText = [7, null, true, [], {}]
  const noHex = [
    ...noText,
    '',
    'g'.repeat(32),
    digest.slice(0, 31),
    digest.slice(0, 33),
    digest.slice(0, 32).toUpperCase(),
  ]
  const noFlag = [0, 1, 'true', null, {}]
  const noCount = [-1, 0.5, 2 ** 53, '1', null, true, [], {}]
  const wrong: [(frame: Frame) => unknown, Frame['type'], object, Record<string, unknown[]>][] = [
    [
      helloOf,
      'hello',
      hello,
      {
        ...{ id: [undefined, ...noHex], secret: [undefined, ...noHex], group: [undefined, ...noHex] },
        kind: [undefined, 'Transfer', '', 7, null],
        window: [undefined, 0, ...noCount],
        ...{ rereadable: [undefined, ...noFlag], again: [undefined, ...noFlag], restart: [undefined, ...noFlag] },
        received: [undefined, ...noCount],
        name: [...noText, 'x'.repeat(4097), 'é'.repeat(2049)],
        size: noCount,
        mode: [0o10000, ...noCount],
        mtime: [8.64e15, -8.64e15, '1', null, true],
      },
    ],
    [
      welcomeOf,
      'welcome',
      welcome,
      { sha256: noHex, checked: [undefined, ...noFlag], window: [undefined, 0, ...noCount] },
    ],
  ]
  for (const [read, type, right, fields] of wrong)
    for (const [name, values] of Object.entries(fields))
      for (const value of values)
        t.throws(
          () => read(frame(type, { ...right, [name]: value })),
          {
            code: 'ERR_SESSION',
            message: `the peer sent a frame of type ${type} whose field ${name} is invalid`,
          },
          `${name} ${JSON.stringify(value)?.slice(0, 40)}`,
        )
  t.equal(helloOf(frame('hello', { ...hello, name: 'x'.repeat(4096) })).name?.length, 4096)
})

t.test('facts are a JSON object, or nothing', async t => {
  t.same(factsOf(frame('check', '')), {})
  t.same(factsOf(frame('check', ' {"a":[1]} ')), { a: [1] })
  for (const text of ['[]', 'null', '1', '"a"', 'true', '{', 'x', '{}{}', '{a:1}', '\0', '\xff', '['.repeat(65536)])
    t.throws(
      () => factsOf(frame('check', text)),
      { code: 'ERR_SESSION', message: 'the peer sent a frame of type check whose payload is not a JSON object' },
      text.slice(0, 10),
    )
})

t.test('the receipt in an end', async t => {
  const read = (value: unknown) => receiptOf(frame('end', ''), { receipt: value })
  t.equal(receiptOf(frame('end', ''), {}), undefined)
  t.same(read(receipt), receipt)
  const full = { ...receipt, name: 'a', written: { bytes: 1, sha256: digest }, skipped: true }
  t.same(read({ ...full, more: 1, written: { ...full.written, more: 1 } }), full, 'no other fields')
  for (const [name, value] of [
    ['bytes', null],
    ['bytes', []],
    ['bytes', 'text'],
    ['bytes', 7],
    ['bytes', {}],
    ['bytes', { ...receipt, bytes: -1 }],
    ['sha256', { ...receipt, sha256: digest.slice(1) }],
    ['name', { ...receipt, name: 7 }],
    ['skipped', { ...receipt, skipped: 1 }],
    ['written', { ...receipt, written: null }],
    ['written', { ...receipt, written: 7 }],
    ['written', { ...receipt, written: {} }],
    ['written', { ...receipt, written: { bytes: 1 } }],
    ['written', { ...receipt, written: { bytes: 0.5, sha256: digest } }],
  ] as const)
    t.throws(
      () => read(value),
      { code: 'ERR_SESSION', message: `the peer sent a frame of type end whose field ${name} is invalid` },
      JSON.stringify(value),
    )
})

t.test('what a peer says when it fails the session', async t => {
  t.same(errorOf(frame('error', { code: 'refused', message: 'full' })), { code: 'refused', message: 'full' })
  for (const facts of ['', {}, { code: 7, message: { toString: 1 } }, { code: null, message: [] }])
    t.same(errorOf(frame('error', facts)), { code: 'failed', message: 'no reason' }, JSON.stringify(facts))
  const { code, message } = errorOf(frame('error', { code: 'x'.repeat(5000), message: 'y'.repeat(5000) }))
  t.same([code.length, message.length], [100, 2000])
  t.throws(() => errorOf(frame('error', '[]')), { code: 'ERR_SESSION' })
})
