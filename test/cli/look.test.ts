import t from 'tap'
import { lookOf, paint, withSymbols } from '../../cli/look.js'

const terminal = { isTTY: true, columns: 50, hasColors: () => true }
const pipe = { isTTY: undefined as never, columns: undefined as never, hasColors: undefined as never }

t.test('colour', async t => {
  t.equal(lookOf(terminal, {}).color, true)
  t.equal(lookOf(terminal, { NO_COLOR: '1' }).color, false)
  t.equal(paint('x', 'red', { color: true }), '\x1b[31mx\x1b[0m')
  t.equal(paint('x', 'red', { color: false }), 'x')
})

t.test('characters: the first variable of the locale that is set', async t => {
  for (const [env, unicode] of [
    [{ LANG: 'de_DE.UTF-8' }, true],
    [{ LANG: 'C.utf8' }, true],
    [{ LANG: 'C' }, false],
    [{ LANG: 'C.UTF-8', LC_ALL: 'POSIX' }, false],
    [{ LANG: 'C', LC_ALL: '', LC_CTYPE: 'en_US.UTF-8' }, true],
    [{}, process.platform === 'win32'],
  ] as const)
    t.equal(lookOf(terminal, env).unicode, unicode, JSON.stringify(env))
  t.equal(withSymbols('● ✓ ✗ ! · → …', { unicode: false }), '* + x ! . -> ...')
  t.equal(withSymbols('● →', { unicode: true }), '● →')
})

t.test('columns: of the terminal, 80 if it does not say, without end elsewhere', async t => {
  t.equal(lookOf(terminal, {}).columns, 50)
  t.equal(lookOf({ ...terminal, columns: 0 }, {}).columns, 80)
  t.equal(lookOf(pipe, {}).columns, Number.POSITIVE_INFINITY)
})
