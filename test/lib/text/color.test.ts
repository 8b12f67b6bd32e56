import t from 'tap'
import { hasColor } from '../../../lib/text/color.js'

const terminal = { hasColors: () => true }
const pipe = {}

t.test('NO_COLOR, then FORCE_COLOR, then what the terminal has; an empty variable counts as unset', async t => {
  for (const [stream, env, color] of [
    [terminal, {}, true],
    [{ ...terminal, hasColors: () => false }, {}, false],
    [terminal, { NO_COLOR: '1' }, false],
    [terminal, { NO_COLOR: '' }, true],
    [terminal, { NO_COLOR: '1', FORCE_COLOR: '1' }, false],
    [terminal, { FORCE_COLOR: '0' }, false],
    [terminal, { FORCE_COLOR: '' }, true],
    [pipe, {}, false],
    [pipe, { FORCE_COLOR: '1' }, true],
    [pipe, { FORCE_COLOR: 'false' }, false],
  ] as const)
    t.equal(hasColor(stream, env), color, JSON.stringify(env))
})
