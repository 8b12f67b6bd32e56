import t, { type Test } from 'tap'
import { noCounts } from '../../../lib/ui/counts.js'
import { type Desk, openDesk } from '../../../lib/ui/desk.js'
import { Desks } from '../../../lib/ui/desks.js'
import { Refusal } from '../../../lib/ui/refusal.js'
import { shownOf } from '../../../lib/ui/shown.js'
import { corrupt } from '../../../transforms/index.js'
import { turns } from '../stats/stopped-clock.js'
import { openProxy } from './support.js'

const all = { state: 'all', sort: 'bytesIn', order: 'desc', filter: '', offset: 0, limit: 50 } as const

const unknown = { status: 404, message: /unknown|there is no/ }

/** A process whose desk is one of several. */
async function openOne(t: Test, desks: Desks) {
  const opened = await openProxy(t)
  const desk = openDesk(shownOf(opened.link), {
    keep: { perConnection: 1000, total: 10_000, tls: false },
    faults: [corrupt],
    onHit: id => desks.hit(desk, id),
  })
  t.teardown(() => desk.close())
  return { ...opened, desk }
}

async function openTwo(t: Test) {
  const desks = new Desks()
  const [one, other] = [await openOne(t, desks), await openOne(t, desks)]
  desks.join(one.desk)
  desks.join(other.desk)
  return { desks, one, other }
}

/** A desk that answers nothing, as one of a process that hangs. */
function silentDesk(): Desk {
  const silence = async () => {
    throw new Refusal(409, 'it does not answer')
  }
  return new Proxy({} as Desk, { get: () => silence })
}

t.test('one list of all connections', async t => {
  const { desks, one, other } = await openTwo(t)
  for (const [process, text] of [
    [one, 'a'],
    [other, 'bb'],
    [one, 'ccc'],
    [other, 'dddd'],
  ] as const) {
    const { client } = await process.connect()
    await client.say(text)
  }
  const { connections, ...counts } = await desks.list(all)
  t.same(counts, { open: 4, ended: 0, matching: 4, offset: 0 })
  t.same(
    connections.map(({ bytesIn }) => bytesIn),
    [4, 3, 2, 1],
  )
  const second = await desks.list({ ...all, offset: 1, limit: 2 })
  t.same(second.offset, 1)
  t.same(
    second.connections.map(({ bytesIn }) => bytesIn),
    [3, 2],
  )
})

t.test('what concerns one connection is answered by the process that has it', async t => {
  const { desks, one, other } = await openTwo(t)
  await one.connect()
  const { client, connection } = await other.connect()
  await client.say('hello')
  const { id } = connection
  t.match(await desks.connection(id), { id, bytesIn: 5 })
  t.match(await desks.bytes(id, 0), { id, entries: [{ mark: 'opened' }, { way: 'in' }] })
  t.equal(String((await desks.raw(id, 'in')).bytes), 'hello')
  await desks.end(id, 'reset')
  t.match(await other.ends[0], { error: { message: 'reset on the page' } })
  await t.rejects(desks.end(id, 'close'), { status: 409, message: 'the connection has ended' })
  await t.rejects(desks.connection('none'), unknown)
})

t.test('counts of all, also of those that have ended or do not answer', async t => {
  const { desks, one, other } = await openTwo(t)
  const { client } = await one.connect()
  await client.say('hello')
  await other.connect()
  t.match(await desks.counts(), { open: 2, accepted: 2, in: 5 })
  desks.leave(one.desk)
  desks.leave(one.desk)
  t.match(await desks.counts(), { open: 1, accepted: 2, in: 5 })
  Object.assign(other.desk, { counts: () => Promise.reject(new Error('it is dead')) })
  t.match(await desks.counts(), { open: 1, accepted: 2, in: 5 })
})

t.test('a fault is on everywhere or nowhere', async t => {
  const { desks, one, other } = await openTwo(t)
  t.ok((await desks.faultKinds()).some(({ name }) => name === 'corrupt'))
  const wrong = { name: 'corrupt', direction: 'forward', options: { nonsense: '1' } }
  await t.rejects(desks.switchOn(wrong), { status: 400, message: /there is no option 'nonsense'/ })
  const request = { name: 'corrupt', direction: 'forward', options: { after: '0' } }
  const { id } = await desks.switchOn(request)
  for (const process of [one, other]) {
    const { client } = await process.connect()
    await client.say('hello')
  }
  const { state } = other.desk
  await desks.state()
  Object.assign(other.desk, { state: () => Promise.reject(new Error('it hangs')) })
  const { segments, faults } = await desks.state() // of the other one, what is known
  Object.assign(other.desk, { state })
  t.match(faults, [{ id, name: 'corrupt', fired: 2 }])
  t.equal(segments.forward.at(-1), `fault-${id}-corrupt`)
  const silent = silentDesk()
  desks.join(silent)
  await t.rejects(desks.switchOn(request), { status: 409, message: 'it does not answer' })
  for (const { desk } of [one, other]) t.same((await desk.state()).faults.length, 1, 'taken back')
  t.same((await desks.state()).faults.length, 1, 'those that answer')
  await t.rejects(desks.addBreakpoint({ direction: 'forward', on: '!' }), { message: 'it does not answer' })
  t.same((await desks.state()).breakpoints, [])
  desks.leave(silent)
  await desks.switchOff(id)
  t.same((await desks.state()).faults, [])
  await t.rejects(desks.switchOff(id), unknown)
})

/** A desk that answers when the test says so, in order. */
function slowDesk(desk: Desk) {
  const waiting: (() => void)[] = []
  const slow = new Proxy(desk, {
    get: (_, name) =>
      name === 'then'
        ? undefined
        : (...given: unknown[]) =>
            new Promise((resolve, reject) => {
              const method = Reflect.get(desk, name) as (...given: unknown[]) => unknown
              waiting.push(() => void (async () => method(...given))().then(resolve, reject))
            }),
  })
  const answer = () => {
    for (const each of waiting.splice(0)) each()
  }
  return { slow: slow as Desk, answer }
}

t.test('while a process has not answered yet', async t => {
  const desks = new Desks()
  const [one, other, late] = [await openOne(t, desks), await openOne(t, desks), await openOne(t, desks)]
  const { slow, answer } = slowDesk(other.desk)
  desks.join(one.desk)
  desks.join(slow)
  const fault = desks.switchOn({ name: 'corrupt', direction: 'forward', options: { after: '9' } })
  const breakpoint = desks.addBreakpoint({ direction: 'forward', on: '!', once: true })
  desks.join(late.desk)
  await turns()
  t.match(await late.desk.state(), { faults: [{ name: 'corrupt' }], breakpoints: [{ once: true }] }, 'it gets both')
  const { client } = await one.connect()
  await client.say('!')
  await turns()
  t.same((await late.desk.state()).breakpoints, [], 'the breakpoint holds')
  answer()
  await Promise.all([fault, breakpoint])
  t.same((await other.desk.state()).breakpoints, [], 'it is removed where it came late')
  const { id } = await fault
  const off = desks.switchOff(id)
  const further = await openOne(t, desks)
  desks.join(further.desk)
  await turns()
  t.same((await further.desk.state()).faults, [], 'it is not wanted any more')
  answer()
  await off
})

t.test('a fault that cannot be switched off is wanted still', async t => {
  const { desks, one, other } = await openTwo(t)
  const { id } = await desks.switchOn({ name: 'corrupt', direction: 'forward', options: { after: '0' } })
  for (const { link } of [one, other])
    t.intercept(link.forward, 'remove', { value: () => Promise.reject(new Error('not now')) })
  await t.rejects(desks.switchOff(id), { message: 'not now' })
  const later = await openOne(t, desks)
  desks.join(later.desk)
  await turns()
  t.match((await later.desk.state()).faults, [{ id }])
  for (const { desk } of [one, other, later]) desks.leave(desk)
  await desks.switchOff(id) // by nobody
  await t.rejects(desks.switchOff(id), { status: 409, message: 'no process answers' })
})

t.test('a process that joins later gets faults and breakpoints', async t => {
  const desks = new Desks()
  const one = await openOne(t, desks)
  desks.join(one.desk)
  const fault = await desks.switchOn({ name: 'corrupt', direction: 'reply', options: { after: '0' } })
  const breakpoint = await desks.addBreakpoint({ direction: 'forward', on: '!' })
  const gone = [
    await desks.switchOn({ name: 'corrupt', direction: 'reply', options: { after: '0' } }),
    await desks.addBreakpoint({ direction: 'forward', on: '?' }),
  ] as const
  await desks.switchOff(gone[0].id)
  await desks.removeBreakpoint(gone[1].id)
  const other = await openOne(t, desks)
  desks.join(other.desk)
  await turns()
  t.match(await other.desk.state(), { faults: [{ id: fault.id }], breakpoints: [{ id: breakpoint.id }] })
  const { faults, breakpoints } = await other.desk.state()
  t.same([faults.length, breakpoints.length], [1, 1])
  desks.join(silentDesk()) // that it refuses does no harm
  await turns()
})

t.test('what is held, in which process ever', async t => {
  const { desks, one, other } = await openTwo(t)
  const { id } = await desks.addBreakpoint({ direction: 'forward', on: '!' })
  const conversations = [await one.connect(), await other.connect(), await one.connect(), await other.connect()]
  for (const [i, { client }] of conversations.entries()) await client.say(`${i}!`)
  const { held, breakpoints } = await desks.state()
  t.match(breakpoints, [{ id, hits: 4 }])
  t.equal(breakpoints.length, 1)
  t.equal(new Set(held.map(each => each.id)).size, 4)
  const idOf = (i: number) => String(held.find(({ connection }) => connection === conversations[i]?.connection.id)?.id)
  t.match(await desks.held(idOf(1)), { id: idOf(1), data: Buffer.from('1!').toString('base64') })
  await desks.release(idOf(0), {})
  await desks.drop(idOf(1))
  await desks.reset(idOf(2))
  await turns()
  t.same(
    conversations.slice(0, 2).map(({ target }) => target.heard()),
    ['0!', ''],
  )
  t.match(await one.ends[1], { error: { message: 'reset at a breakpoint' } })
  for (const wrong of ['', '1', '7-1', '1-none', `1-${'x'.repeat(200)}`])
    await t.rejects(desks.held(wrong), { status: 404, message: /^there is no held direction/ })
  await desks.removeBreakpoint(id)
  await turns()
  t.equal(conversations[3]?.target.heard(), '3!')
})

t.test('a breakpoint that holds once does so in one process', async t => {
  const { desks, one, other } = await openTwo(t)
  await desks.addBreakpoint({ direction: 'forward', on: '!', once: true })
  await desks.addBreakpoint({ direction: 'reply', on: '!' })
  const [first, second] = [await one.connect(), await other.connect()]
  await first.client.say('1!')
  await turns()
  await second.client.say('2!')
  t.equal(second.target.heard(), '2!')
  const { held, breakpoints } = await desks.state()
  t.match(held, [{ connection: first.connection.id }])
  t.equal(breakpoints.length, 2)
  await second.target.say('!')
  t.equal((await desks.state()).held.length, 2, 'another one goes on everywhere')
  await desks.release(String(held[0]?.id), {})
  await turns()
  t.match((await desks.state()).breakpoints, [{ direction: 'reply' }])
  desks.hit(one.desk, 'unknown')
})

t.test('without any process', async t => {
  const desks = new Desks()
  t.same(await desks.state(), { used: 0, segments: { forward: [], reply: [] }, faults: [], breakpoints: [], held: [] })
  t.same(await desks.counts(), noCounts)
  t.same(await desks.list(all), { open: 0, ended: 0, matching: 0, offset: 0, connections: [] })
  const refusal = { status: 409, message: 'no process answers' }
  await t.rejects(desks.connection('x'), refusal)
  await t.rejects(desks.switchOn({}), refusal)
})
