import t from 'tap'
import {
  abortError,
  attempt,
  closest,
  describe,
  didYouMean,
  errorCode,
  errorMessage,
  isReset,
  prematureClose,
  TcpPipeError,
  timeoutError,
  toError,
  tooLong,
} from '../../../lib/text/errors.js'
import fc from '../../fast-check.js'

t.test('TcpPipeError has a code, a name and a cause', async t => {
  const cause = new Error('below')
  const error = new TcpPipeError('ERR_OPTION', 'above', { cause })
  t.type(error, Error)
  t.match(error, { name: 'TcpPipeError', code: 'ERR_OPTION', message: 'above', cause })
  t.equal(String(error), 'TcpPipeError: above')
  t.notOk('cause' in new TcpPipeError('ERR_OPTION', 'alone'))
})

t.test('prematureClose is the error of Node', async t => {
  t.match(prematureClose(), { message: 'Premature close', code: 'ERR_STREAM_PREMATURE_CLOSE' })
})

t.test('tooLong names the record and the cap', async t => {
  t.match(tooLong('line', 7), {
    code: 'ERR_RECORD_TOO_LONG',
    message: 'a line is longer than maxRecord, 7 bytes',
  })
})

t.test('abortError is what the platform rejects with, and the reason is its cause', async t => {
  const reason = new Error('enough')
  t.match(abortError(AbortSignal.abort(reason)), { name: 'AbortError', code: 'ABORT_ERR', cause: reason })
})

t.test('isReset', async t => {
  for (const code of ['ECONNRESET', 'EPIPE']) t.ok(isReset(Object.assign(new Error(), { code })))
  for (const other of [Object.assign(new Error(), { code: 'ENOENT' }), new Error(), undefined]) t.notOk(isReset(other))
})

t.test('errorCode', async t => {
  t.equal(errorCode(new TcpPipeError('ERR_SPEC', '')), 'ERR_SPEC')
  t.equal(errorCode(Object.assign(new Error(), { code: 'ECONNRESET' })), 'ECONNRESET')
  t.equal(errorCode(Object.assign(new Error(), { code: 7 })), '7')
  for (const none of [new Error(), { code: 'ENOENT' }, 'ENOENT', null, undefined]) t.equal(errorCode(none), undefined)
})

t.test('toError: whatever was thrown is an Error that can be shown (G-54)', async t => {
  const error = new Error('the very error')
  const get = () => {
    throw new Error('shown')
  }
  t.equal(toError(error), error)
  for (const thrown of ['a text', null, undefined, 5, Symbol('x')])
    t.match(toError(thrown), { message: String(thrown), cause: thrown })
  for (const thrown of [
    Object.create(null),
    { toString: get },
    Object.defineProperty(new Error('x'), 'message', { get }),
    Object.defineProperty(new Error('x'), 'code', { get }),
    Object.assign(new Error('x'), { code: Object.create(null) }),
    new Proxy(error, { get, getPrototypeOf: get }),
  ]) {
    const shown = toError(thrown)
    t.equal(shown.message, 'a value was thrown that has no text')
    t.ok(shown.cause === thrown)
    t.equal(errorCode(thrown), undefined)
  }
})

t.test('errorMessage', async t => {
  const refused = Object.assign(new Error('connect ECONNREFUSED ::1:1'), { code: 'ECONNREFUSED' })
  for (const [title, error, message] of [
    ['the message', new Error('no'), 'no'],
    ['the code, if there is no message', Object.assign(new Error(), { code: 'ECONNRESET' }), 'ECONNRESET'],
    ['the name, if there is neither', new RangeError(), 'RangeError'],
    ['not even a name', Object.assign(new Error(), { name: '' }), 'unknown error'],
    ['several addresses', new AggregateError([refused, new Error('b')]), 'connect ECONNREFUSED ::1:1; b'],
    ['several addresses with one message', new AggregateError([refused], 'none answered'), 'none answered'],
    ['no address at all', new AggregateError([]), 'AggregateError'],
    ['several within several', new AggregateError([new AggregateError([new Error('a')])]), 'a'],
    ['a text', 'plain', 'plain'],
    ['an empty text', '', 'unknown error'],
    ['undefined', undefined, 'undefined'],
    ['an object', { a: 1 }, '{ a: 1 }'],
    ['an object without a prototype', Object.create(null), '[Object: null prototype] {}'],
    ['one line of what a peer sent', new Error('a\n\x1b]0;b\x07\u202e'), 'a\\n\\e]0;b\\x07\\u202e'],
  ] as const) {
    t.equal(errorMessage(error), message, title)
  }
})

t.test('errorMessage is one line that is not empty, whatever was thrown', async t => {
  const isLine = (value: unknown) => /^.+$/.test(errorMessage(value))
  t.doesNotThrow(() => fc.assert(fc.property(fc.anything(), isLine)))
  t.doesNotThrow(() => fc.assert(fc.property(fc.string({ unit: 'binary' }), text => isLine(new Error(text)))))
})

t.test('describe says what a value is', async t => {
  for (const [value, words] of [
    [undefined, 'undefined'],
    [null, 'null'],
    [1, 'a number'],
    ['x', 'a string'],
    [() => {}, 'a function'],
    [[1], 'an array'],
    [{}, 'an object (Object)'],
    [new Date(), 'an object (Date)'],
    [Object.create(null), 'an object (no class)'],
  ] as const) {
    t.equal(describe(value), words)
  }
})

t.test('closest is the candidate within two edits, less for short words', async t => {
  const words = ['gzip', 'gunzip', 'grep', 'hex', 'unhex']
  for (const [word, match] of [
    ['gzip', 'gzip'],
    ['gzi', 'gzip'],
    ['zgip', 'gzip'],
    ['gunizp', 'gunzip'],
    ['hax', 'hex'],
    ['ab', undefined],
    ['hexadecimal', undefined],
    ['', undefined],
  ] as const) {
    t.equal(closest(word, words), match, word)
  }
  t.equal(closest('gzip', []), undefined)
})

t.test('didYouMean is the end of a message, or nothing', async t => {
  t.equal(didYouMean('gerp', new Set(['grep'])), "; did you mean 'grep'?")
  t.equal(didYouMean('tls', ['grep']), '')
})

t.test('timeoutError says which', async t => {
  t.match(timeoutError('first-byte', 'nothing came'), {
    name: 'TcpPipeError',
    code: 'ERR_TIMEOUT',
    timeout: 'first-byte',
    message: 'first-byte timeout: nothing came',
  })
})

t.test('attempt: a function of the user may throw, or return a promise that rejects', async t => {
  const boom = new Error('boom')
  const reported: unknown[] = []
  const report = (error: unknown) => void reported.push(error)
  for (const call of [
    () => {
      throw boom
    },
    async () => {
      throw boom
    },
  ])
    attempt(call, report)
  for (const result of [undefined, null, 5, {}, Promise.resolve()]) attempt(() => result, report)
  await new Promise(resolve => setImmediate(resolve))
  t.same(reported, [boom, boom])
})
