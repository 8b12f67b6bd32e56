import { pino } from 'pino'
import t from 'tap'
import { checkValues, type ValueKind } from '../../../lib/text/values.js'

const method = () => {}
const log = { child: method, debug: method, info: method, warn: method, error: method }

t.test('what an option may be', async t => {
  for (const [kind, values] of [
    ['flag', [true, false]],
    ['text', ['', 'x']],
    ['function', [method, class {}]],
    ['object', [{}, []]],
    ['count', [1, 2 ** 40, Number.POSITIVE_INFINITY]],
    ['time', [0, 1.5]],
    ['address', ['x', {}]],
    ['serverTls', [true, false, 'auto', {}]],
    ['clientTls', [true, false, {}]],
    ['mode', [0, 0o777]],
    ['signal', [AbortSignal.abort(), new AbortController().signal]],
    ['logger', [log, pino({ enabled: false })]],
    ['observer', [{}, { closed: method }, { closed: undefined }]],
  ] as [ValueKind, unknown[]][])
    for (const value of [undefined, ...values]) t.doesNotThrow(() => checkValues({ value }, { value: kind }), kind)
})

t.test('what it may not be is refused with the name of the option, the value and what is allowed', async t => {
  for (const [kind, value, message] of [
    ['flag', 'yes', "x: 'yes' is not allowed; expected true or false"],
    ['flag', null, 'x: null is not allowed; expected true or false'],
    ['text', 5, 'x: 5 is not allowed; expected a text'],
    ['function', 'call', "x: 'call' is not allowed; expected a function"],
    ['object', 5, 'x: 5 is not allowed; expected an object'],
    ['count', 0, 'x: 0 is not allowed; expected a whole number from 1'],
    ['count', 1.5, 'x: 1.5 is not allowed; expected a whole number from 1'],
    ['count', '5', "x: '5' is not allowed; expected a whole number from 1"],
    ['time', '5', 'x: 5 is not allowed; expected milliseconds from 0 to 2147483647'],
    ['address', 5, 'x: 5 is not allowed; expected an address'],
    ['serverTls', 'yes', "x: 'yes' is not allowed; expected true, false, 'auto' or an object"],
    ['clientTls', 'auto', "x: 'auto' is not allowed; expected true, false or an object"],
    ['mode', 0o1000, 'x: 512 is not allowed; expected permissions from 0 to 0o777'],
    ['signal', 0, 'x: 0 is not allowed; expected an AbortSignal'],
    ['signal', new AbortController(), 'x: an object (AbortController) is not allowed; expected an AbortSignal'],
    [
      'logger',
      console,
      /^x: an object \(.+\) is not allowed; expected a pino logger, or an object with the methods child/,
    ],
    ['logger', 5, /^x: 5 is not allowed; expected a pino logger/],
    ['logger', null, /^x: null is not allowed; expected a pino logger/],
    ['observer', { closed: 5 }, /^x: an object \(Object\) is not allowed; expected an object with any of the methods/],
    ['observer', method, /^x: a function is not allowed; expected an object with any of the methods listening/],
  ] as [ValueKind, unknown, string | RegExp][])
    t.throws(() => checkValues({ x: value }, { x: kind }), { code: 'ERR_OPTION', message }, kind)
})

t.test('options are an object', async t => {
  for (const [options, what] of [
    [null, 'null'],
    ['x', "'x'"],
    [5, '5'],
  ])
    t.throws(() => checkValues(options, {}), {
      code: 'ERR_OPTION',
      message: `options: ${what} is not allowed; expected an object`,
    })
})
