import t from 'tap'
import { checkSessions, isReliable, sendReliableOptions, sessionDefaultsOf } from '../../cli/reliable-options.js'
import { parseAddress } from '../../lib/endpoints/address.js'

const parse = (long: string, text: string) =>
  sendReliableOptions()
    .find(option => option.long === long)
    ?.parseArg?.(text, undefined)

t.test('values', async t => {
  for (const [long, text, value] of [
    ['--window', '1m', 1_048_576],
    ['--give-up-after', '2', 2000],
    ['--link-timeout', '250ms', 250],
    ['--name', 'a/..b/c.tar', 'a/..b/c.tar'],
    ['--receipt', 'r.json', 'r.json'],
  ] as const)
    t.equal(parse(long, text), value)
})

t.test('mistakes name the option and what is allowed', async t => {
  for (const [long, text, message] of [
    ['--window', '0', "--window: '0' is not allowed; expected at least 1"],
    ['--give-up-after', '0', "--give-up-after: '0' is not allowed; expected more than 0"],
    ['--link-timeout', 'off', /^--link-timeout: 'off' is not allowed/],
    ['--receipt', '-', "--receipt: '-' is not allowed; expected a file name"],
    ['--receipt', '', /expected a file name/],
    ...['', '/a', 'a//b', 'a/', './a', 'a/../b', 'x'.repeat(4097)].map(
      name => ['--name', name, /^--name: '.*' is not allowed; expected a relative path without '..'/] as const,
    ),
  ] as const)
    t.throws(() => parse(long, text), { code: 'ERR_OPTION', message })
})

t.test('they need a side with sessions', async t => {
  const [plain, reliable] = [parseAddress('80'), parseAddress('reliable+tls://far:80')]
  t.same(
    [isReliable({}), isReliable({ reliable: true }), isReliable({}, plain), isReliable({}, undefined, reliable)],
    [false, true, false, true],
  )
  for (const option of [{ window: 1 }, { giveUpAfter: 1 }, { linkTimeout: 1 }, { name: 'x' }, { preserve: true }]) {
    t.throws(() => checkSessions(option, [plain, undefined]), {
      code: 'ERR_OPTION',
      message: /^--\S+ needs --reliable or an address reliable:\/\/…: it concerns reliable transfers$/,
    })
    checkSessions(option, [plain, reliable])
    checkSessions({ ...option, reliable: true }, [plain])
  }
  checkSessions({ preserve: false }, [plain])
  t.throws(() => checkSessions({ window: 1 }, [plain], 'luck'), { message: /^--window needs luck/ })
})

t.test('defaults, where they have an effect', async t => {
  t.same(sessionDefaultsOf([parseAddress('80')], 'transfer'), {})
  t.match(sessionDefaultsOf([parseAddress('reliable://80')], 'transfer'), { window: 16_777_216, giveUpAfter: 300_000 })
  t.match(sessionDefaultsOf([undefined, parseAddress('reliable://80')], 'tunnel'), { window: 4_194_304 })
})
