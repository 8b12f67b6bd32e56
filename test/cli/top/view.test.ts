import t from 'tap'
import { firstView, follow, indexOf, press, type View } from '../../../cli/top/view.js'

const numbers = [5, 3, 9]

function typed(keys: readonly string[], start: View = firstView, shown = numbers): View {
  return keys.reduce((view, name) => press(view, { name }, shown)[0], start)
}

t.test('keys select among the connections that are shown', async t => {
  for (const [keys, at] of [
    [[], 0],
    [['down'], 1],
    [['down', 'down', 'down', 'down'], 2],
    [['up'], 0],
    [['end', 'up'], 1],
    [['end', 'home'], 0],
    [['x', 'tab'], 0],
  ] as const)
    t.equal(indexOf(typed(keys), numbers), at, keys.join(' '))
})

t.test('a selection follows its connection, wherever it stands', async t => {
  const view = typed(['down'])
  t.equal(indexOf(view, [9, 5, 3]), 2)
  t.equal(follow(view, [9, 5, 3]), view)
  t.match(follow(view, [9, 5]), { selected: undefined, note: 'connection 3 has ended' })
  t.equal(indexOf(follow(view, [9, 5]), [9, 5]), 0)
  t.equal(follow(firstView, []), firstView)
})

t.test('one connection is opened and left', async t => {
  for (const key of ['return', 'enter', 'right']) t.match(typed(['down', key]), { isOpen: true, selected: 3 })
  for (const key of ['left', 'escape', 'backspace']) t.match(typed(['right', key]), { isOpen: false, selected: 5 })
  t.match(follow(typed(['right']), [3]), { isOpen: false, selected: undefined })
})

t.test('k and r ask, and only y does it', async t => {
  for (const [key, method] of [
    ['k', 'close'],
    ['r', 'reset'],
  ] as const) {
    const asked = typed(['down', key])
    t.same(asked.asks, { method, connection: 3 })
    t.same(press(asked, { name: 'y' }, numbers)[1], { method, connection: 3 })
    for (const name of ['n', 'q', 'return', undefined]) {
      const [view, action] = press(asked, { name }, numbers)
      t.equal(action, undefined)
      t.match(view, { asks: undefined, note: `${method}: not done` })
    }
    t.equal(follow(asked, [5, 9]).asks, undefined)
    t.same(press(asked, { name: 'y' }, [5, 9])[1], { method, connection: 3 }, 'that one, not the one in its place')
  }
})

t.test('q and Ctrl-C quit, also without a connection', async t => {
  for (const shown of [numbers, []]) {
    t.equal(press(firstView, { name: 'q' }, shown)[1], 'quit')
    t.equal(press(firstView, { name: 'c', ctrl: true }, shown)[1], 'quit')
    t.equal(press(typed(['k']), { name: 'c', ctrl: true }, shown)[1], 'quit')
    t.equal(press(firstView, { name: 'z', ctrl: true }, shown)[1], undefined)
  }
  t.same(typed(['down', 'k', 'right'], firstView, []), firstView)
})
