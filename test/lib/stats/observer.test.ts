import t from 'tap'
import { type Observer, observers } from '../../../lib/stats/observer.js'

const names = ['listening', 'opened', 'refused', 'handshakeFailed', 'closed', 'stopped'] as const

/** What all methods of an observer have been called with. */
function spy(heard: unknown[], more: Observer = {}): Observer {
  const methods = Object.fromEntries(names.map(name => [name, (event: unknown) => heard.push([name, event])]))
  return { ...methods, ...more }
}

function tellAll(observer: Required<Observer>): unknown[] {
  const events = names.map(name => ({ of: name }))
  for (const [i, name] of names.entries()) observer[name](events[i] as never)
  return names.map((name, i) => [name, events[i]])
}

t.test('every observer hears every event, in the order of the list', async t => {
  const heard: unknown[] = []
  const told = tellAll(observers([spy(heard), undefined, spy(heard)]))
  t.strictSame(
    heard,
    told.flatMap(event => [event, event]),
  )
  const [[, event], [, same]] = heard as [[string, unknown], [string, unknown]]
  t.equal(event, same, 'the very event')
})

t.test('every method is optional', async t => {
  const heard: unknown[] = []
  tellAll(observers([{}, { closed: summary => heard.push(summary) }]))
  t.strictSame(heard, [{ of: 'closed' }])
  t.doesNotThrow(() => tellAll(observers([])))
})

t.test('an observer that throws disturbs nobody', async t => {
  const heard: unknown[] = []
  let thrown = 0
  const broken = Object.fromEntries(
    names.map(name => [
      name,
      () => {
        thrown++
        throw new Error(name)
      },
    ]),
  )
  const told = tellAll(observers([broken, spy(heard)]))
  t.strictSame(heard, told)
  t.equal(thrown, names.length)
})

t.test('an observer is called as a method of its own', async t => {
  class Counter implements Observer {
    count = 0
    refused(): void {
      this.count++
    }
  }
  const counter = new Counter()
  tellAll(observers([counter]))
  t.equal(counter.count, 1)
})
