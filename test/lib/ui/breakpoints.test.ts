import t from 'tap'
import type { Chain } from '../../../lib/connection/chain.js'
import { finder } from '../../../lib/faults/finder.js'
import { proxy } from '../../../lib/proxy.js'
import type { Stage } from '../../../lib/stages/stage.js'
import type { Transforms } from '../../../lib/stages/transforms.js'
import { openBreakpoints } from '../../../lib/ui/breakpoints.js'
import { Refusal } from '../../../lib/ui/refusal.js'
import fc from '../../fast-check.js'
import { noise } from '../../laws/support.js'
import { clientOf, closed, collect, failOnWarning, listener, portOf, until } from '../network.js'
import { cutAt, cuts, memoryInUse, settled } from '../pipes.js'
import { stoppedClock, turns } from '../stats/stopped-clock.js'
import { openHeld, openProxy } from './support.js'

const base64 = (text: string) => Buffer.from(text).toString('base64')

t.test('no more directions than allowed are held: what comes in others passes', async t => {
  const { link, connections, connect } = await openProxy(t)
  const breakpoints = openBreakpoints(link, connections, () => {}, { mostHeld: 2 })
  t.teardown(() => breakpoints.close())
  await breakpoints.add({ direction: 'forward', turn: true })
  const [one, other, third] = [await connect(), await connect(), await connect()]
  for (const { client } of [one, other, third]) await client.say('said')
  t.same(
    [one, other, third].map(({ target }) => target.heard()),
    ['', '', 'said'],
  )
  breakpoints.drop(breakpoints.list().held[0]?.id as string)
  await third.target.say('answer')
  await third.client.say('is held')
  t.equal(third.target.heard(), 'said')
})

t.test('a match is held, and what follows, until it is released; the breakpoint stays', async t => {
  const { breakpoints, connect, held, data, marks } = await openHeld(t)
  const added = await breakpoints.add({ direction: 'forward', on: 'SET' })
  t.same(added, {
    id: '1',
    direction: 'forward',
    on: 'SET',
    hex: null,
    turn: false,
    connection: null,
    once: false,
    time: 60_000,
    hits: 0,
  })
  const { client, target, connection } = await connect()
  await client.say('GET a\r\n')
  t.equal(target.heard(), 'GET a\r\n')
  await client.say('GET b\r\nSET c\r\nSET d\r\n')
  await client.say('GET e\r\n')
  t.equal(target.heard(), 'GET a\r\n')
  t.same(data(), ['GET b\r\nSET c\r\nSET d\r\nGET e\r\n'])
  const [info] = held()
  t.match(info, {
    id: '1',
    breakpoint: '1',
    connection: connection.id,
    number: 1,
    direction: 'forward',
    bytes: 28,
    ended: false,
  })
  t.equal((info?.until as number) - (info?.since as number), 60_000)
  t.ok(Math.abs(Date.now() - (info?.since as number)) < 60_000)
  await target.say('reply')
  t.equal(client.heard(), 'reply', 'the other direction goes on')
  breakpoints.release('1')
  await turns()
  t.equal(target.heard(), 'GET a\r\nGET b\r\nSET c\r\nSET d\r\nGET e\r\n')
  t.same(held(), [])
  await client.say('SET f\r\n')
  t.same(data(), ['SET f\r\n'])
  t.match(breakpoints.list().breakpoints, [{ id: '1', hits: 2 }])
  breakpoints.release('2', {})
  const { id } = connection
  t.same(marks, [
    { connection: id, mark: 'held', text: 'breakpoint 1', direction: 'forward', offset: 7 },
    { connection: id, mark: 'released', text: '28 bytes', direction: 'forward', offset: 7 },
    { connection: id, mark: 'held', text: 'breakpoint 1', direction: 'forward', offset: 35 },
    { connection: id, mark: 'released', text: '7 bytes', direction: 'forward', offset: 35 },
  ])
})

t.test('a match is found across chunks: only what had passed before it was complete is not held', async t => {
  const { breakpoints, connect, data } = await openHeld(t)
  await breakpoints.add({ direction: 'forward', hex: '0D0a0d0A' })
  const { client, target } = await connect()
  await client.say('a\r\n')
  await client.say('\r\nb')
  t.equal(target.heard(), 'a\r\n')
  t.same(data(), ['\r\nb'])
  breakpoints.release('1')
  await client.say('\r\n')
  await client.say('\r\n')
  t.equal(target.heard(), 'a\r\n\r\nb\r\n')
  t.same(data(), ['\r\n'])
})

t.test('held bytes can be edited or dropped, or those that were seen', async t => {
  const { breakpoints, connect, held, marks } = await openHeld(t)
  await breakpoints.add({ direction: 'forward', on: '!' })
  const { client, target } = await connect()
  let all = ''
  for (const [act, passed, mark, text] of [
    [
      (id: string) => breakpoints.release(id, { data: base64('edited!') }),
      'edited!',
      'edited',
      '7 bytes in place of 2 bytes',
    ],
    [
      (id: string) => breakpoints.release(id, { data: base64('?'), bytes: 1 }),
      '?+',
      'edited',
      '2 bytes in place of 2 bytes',
    ],
    [(id: string) => breakpoints.release(id, { data: '', bytes: 1 }), '+', 'edited', '1 byte in place of 2 bytes'],
    [
      (id: string) => breakpoints.release(id, { data: base64('x'), bytes: 0 }),
      'x!+',
      'edited',
      '3 bytes in place of 2 bytes',
    ],
    [(id: string) => breakpoints.release(id, { bytes: 1 }), '!+', 'released', '2 bytes'],
    [(id: string) => breakpoints.release(id, { data: null }), '!+', 'released', '2 bytes'],
    [(id: string) => breakpoints.release(id, { data: '' }), '', 'dropped', '2 bytes'],
    [(id: string) => breakpoints.drop(id), '', 'dropped', '2 bytes'],
  ] as const) {
    await client.say('!')
    await client.say('+')
    act(held()[0]?.id as string)
    await client.say('-')
    all += `${passed}-`
    t.equal(target.heard(), all)
    t.match(marks.at(-1), { mark, text })
  }
})

t.test('reset fails the connection, and nothing stays', async t => {
  const { breakpoints, connect, held, marks, ends } = await openHeld(t)
  await breakpoints.add({ direction: 'reply', on: '!' })
  const { client, target } = await connect()
  await client.say('hello')
  await target.say('hi')
  await target.say('!')
  t.match(held(), [{ direction: 'reply' }])
  breakpoints.reset('1')
  await Promise.all([closed(client.stream), closed(target.stream)])
  t.match(await ends[0], { error: { code: 'ERR_CLOSED', message: 'reset at a breakpoint' } })
  t.same(held(), [])
  t.match(marks, [
    { mark: 'held', direction: 'reply', offset: 2 },
    { mark: 'reset', text: 'at a breakpoint', direction: 'reply', offset: 2 },
  ])
  t.equal(client.heard(), 'hi')
})

t.test('the first bytes of a turn are held: at the beginning, and after the other direction has spoken', async t => {
  const { breakpoints, connect, held, data, link } = await openHeld(t)
  await breakpoints.add({ direction: 'forward', turn: true })
  t.same([link.forward.list(), link.reply.list()], [['breakpoints'], ['breakpoints']])
  const { client, target } = await connect()
  await client.say('one')
  t.same(data(), ['one'])
  breakpoints.release('1')
  await client.say(' more')
  t.same(data(), [], 'that is the same turn')
  t.equal(target.heard(), 'one more')
  await target.say('answer')
  await target.say(' and more')
  t.equal(client.heard(), 'answer and more')
  await client.say('two')
  t.same(data(), ['two'])
  await target.say('unasked')
  breakpoints.release('2')
  await client.say('three')
  t.same(data(), ['three'])
  breakpoints.release('3')
  await breakpoints.add({ direction: 'reply', turn: true })
  await client.say('four')
  await target.say('late')
  t.match(held(), [{ direction: 'reply', breakpoint: '2', bytes: 4 }])
})

t.test('in the middle of a conversation the first turn is the one after the other direction', async t => {
  const { breakpoints, connect, data } = await openHeld(t)
  const silent = await connect()
  const { client, target } = await connect()
  await client.say('a long ')
  await breakpoints.add({ direction: 'forward', turn: true })
  await client.say('request')
  t.same(data(), [])
  await target.say('answer')
  await client.say('next')
  t.same(data(), ['next'])
  t.equal(target.heard(), 'a long request')
  await silent.client.say('first')
  t.same(data(), ['next', 'first'])
})

t.test('a breakpoint for one connection leaves the others alone', async t => {
  const { breakpoints, connect, held } = await openHeld(t)
  const [one, two] = [await connect(), await connect()]
  await breakpoints.add({ direction: 'forward', on: '!', connection: 2 })
  for (const { client } of [one, two, await connect()]) await client.say('a!')
  t.match(held(), [{ number: 2, connection: two.connection.id }])
  t.equal(held().length, 1)
  t.equal(one.target.heard(), 'a!')
})

t.test('the first breakpoint that matches holds, and is counted', async t => {
  const { breakpoints, connect, held } = await openHeld(t)
  for (const on of ['b', 'a', 'x']) await breakpoints.add({ direction: 'forward', on })
  const { client } = await connect()
  await client.say('ab')
  await client.say('x')
  t.match(held(), [{ breakpoint: '1', bytes: 3 }])
  t.match(breakpoints.list().breakpoints, [{ hits: 1 }, { hits: 0 }, { hits: 0 }])
})

t.test('once: it holds one direction, and is gone when that goes on', async t => {
  for (const goOn of ['release', 'drop', 'reset'] as const) {
    const { breakpoints, connect, held, link } = await openHeld(t)
    await breakpoints.add({ direction: 'forward', on: '!', once: true })
    const [one, two] = [await connect(), await connect()]
    await one.client.say('a!')
    await two.client.say('b!')
    t.equal(two.target.heard(), 'b!')
    t.match(breakpoints.list(), { breakpoints: [{ once: true, hits: 1 }], held: [{ number: 1 }] })
    breakpoints[goOn](held()[0]?.id as string)
    await turns()
    t.same(breakpoints.list(), { breakpoints: [], held: [] })
    t.same(link.forward.list(), [])
    await two.client.say('c!')
    t.equal(two.target.heard(), 'b!c!')
  }
})

t.test('what nobody answers goes on by itself', async t => {
  const { breakpoints, connect, held, marks } = await openHeld(t)
  const clock = stoppedClock(t, { timers: true })
  await breakpoints.add({ direction: 'forward', on: '!', time: 1500 })
  await breakpoints.add({ direction: 'forward', on: '?' })
  const { client, target } = await connect()
  await client.say('a!')
  await client.say('b')
  clock.pass(1499)
  await turns()
  t.equal(target.heard(), '')
  clock.pass(1)
  await turns()
  t.equal(target.heard(), 'a!b')
  t.match(marks.at(-1), { mark: 'released', text: 'after 1.5 s without an answer' })
  await client.say('c?')
  breakpoints.release(held()[0]?.id as string)
  await client.say('d?')
  clock.pass(59_999)
  await turns()
  t.equal(held().length, 1, 'the timer of the first one has been stopped')
  clock.pass(1)
  await turns()
  t.equal(target.heard(), 'a!bc?d?')
  t.match(marks.at(-1), { text: 'after 60 s without an answer' })
})

t.test('the end of a direction waits, too; the other one goes on', async t => {
  for (const [act, expected] of [
    ['release', 'last!'],
    ['drop', ''],
  ] as const) {
    for (const direction of ['forward', 'reply'] as const) {
      const { breakpoints, connect, held, ends } = await openHeld(t)
      await breakpoints.add({ direction, on: '!' })
      const { client, target } = await connect()
      const [from, to] = direction === 'forward' ? [client, target] : [target, client]
      await from.say('-')
      await from.end('last!')
      t.match(held(), [{ ended: true, bytes: 5, direction }])
      t.equal(to.heard(), '-')
      await to.say('back')
      t.equal(from.heard(), 'back')
      await to.end()
      t.equal(from.heard(), 'back.')
      breakpoints[act]('1')
      await turns()
      t.equal(to.heard(), `-${expected}.`)
      t.match(await ends[0], { closedBy: 'peer' })
      t.same(breakpoints.list().held, [])
    }
  }
})

t.test('a change of other stages leaves alone what is held, also with its end', async t => {
  const { breakpoints, connect, data, held, link } = await openHeld(t)
  await link.forward.set('first', () => [])
  await breakpoints.add({ direction: 'forward', on: '!' })
  t.same(link.forward.list(), ['breakpoints', 'first'])
  const { client, target } = await connect()
  await client.say('a')
  await client.say('b!')
  await link.forward.set('upper', () => chunk => String(chunk).toUpperCase())
  await client.say('c')
  t.same(data(), ['b!c'])
  breakpoints.release('1')
  await client.say('d')
  t.equal(target.heard(), 'aB!CD')
  await client.end('e!')
  t.match(held(), [{ ended: true }])
  await link.forward.remove('upper')
  await link.forward.set('more', () => [])
  t.same(data(), ['e!'])
  breakpoints.release('2')
  await turns()
  t.equal(target.heard(), 'aB!CDE!.')
})

t.test('removed, a breakpoint lets go what it holds; without any there are no stages', async t => {
  const { breakpoints, connect, held, link, marks } = await openHeld(t)
  const lists = () => [link.forward.list(), link.reply.list()]
  await breakpoints.add({ direction: 'forward', on: '!' })
  await breakpoints.add({ direction: 'forward', on: '?' })
  await breakpoints.add({ direction: 'reply', turn: true })
  const { client, target } = await connect()
  await client.say('a!')
  await breakpoints.remove('1')
  t.match(marks.at(-1), { mark: 'released', text: 'the breakpoint was removed' })
  await client.say('b!')
  t.equal(target.heard(), 'a!b!')
  await client.say('c?')
  await breakpoints.remove('2')
  t.same(lists(), [['breakpoints'], ['breakpoints']], 'of a turn both directions are heard')
  await client.say('d?')
  t.equal(target.heard(), 'a!b!c?d?')
  await target.say('answer')
  t.equal(held().length, 1)
  await breakpoints.remove('3')
  t.same(lists(), [[], []])
  await turns()
  t.equal(client.heard(), 'answer')
  await client.end('e!')
  t.equal(target.heard(), 'a!b!c?d?e!.')
})

t.test('if others remove the segment, everything passes; the next breakpoint brings it back', async t => {
  const { breakpoints, connect, held, link, marks } = await openHeld(t)
  await breakpoints.add({ direction: 'forward', on: '!' })
  const { client, target } = await connect()
  await client.say('a!')
  await link.forward.clear()
  await client.say('b!')
  t.equal(target.heard(), 'a!b!')
  t.match(marks.at(-1), { mark: 'released', text: 'its stage was removed' })
  t.same(held(), [])
  await breakpoints.add({ direction: 'forward', on: '?' })
  await client.say('c!')
  t.equal(held().length, 1)
  await breakpoints.close()
  await turns()
  t.equal(target.heard(), 'a!b!c!')
  t.same(breakpoints.list(), { breakpoints: [], held: [] })
})

t.test('a stage that others remove does not hold again what it still has', async t => {
  const { breakpoints, connect, held, link } = await openHeld(t)
  await breakpoints.add({ direction: 'forward', on: '!' })
  const { client, target } = await connect()
  const text = `a!${'b'.repeat(100_000)}!`
  await client.say(text)
  await link.forward.clear()
  await turns()
  t.same(held(), [])
  t.equal(target.heard(), text)
})

t.test('a stage that leaves while its reader waits does not hold again', async t => {
  const { breakpoints, connect, held } = await openHeld(t)
  await breakpoints.add({ direction: 'forward', on: '!' })
  const { client, target } = await connect()
  target.stream.pause()
  const block = Buffer.alloc(65_536, 'x')
  const bytes = Buffer.concat([block, block, Buffer.from('!'), block, block, Buffer.from('!'), block])
  client.stream.write(bytes)
  await turns(200)
  await breakpoints.remove('1')
  target.stream.resume()
  await client.end('!')
  await turns(200)
  t.same(held(), [])
  t.ok(target.bytes().equals(Buffer.concat([bytes, Buffer.from('!')])))
})

t.test('a connection that ends or fails takes with it what is held', async t => {
  failOnWarning(t)
  const { breakpoints, connect, held, link, ends } = await openHeld(t, { idleTimeout: 500 })
  await breakpoints.add({ direction: 'forward', on: '!', time: 3_600_000 })
  await breakpoints.add({ direction: 'reply', turn: true })
  const idle = await connect()
  await idle.client.say('a!')
  t.equal(held().length, 1)
  t.match(await ends[0], { timeout: 'idle' }, 'what is held is idle')
  t.same(held(), [])
  const lost = await connect()
  await lost.client.say('b!')
  await lost.target.say('c')
  t.equal(held().length, 2)
  lost.client.stream.destroy(new Error('lost'))
  await ends[1]
  t.same(held(), [])
  const { client } = await connect()
  await client.say('d!')
  await link.close({ drain: 0 })
  t.same(held(), [])
  t.throws(() => breakpoints.held('1'), { status: 404, message: "there is no held direction '1'" })
})

t.test('a connection that is closed delivers what is held when it goes on', async t => {
  const { breakpoints, connect, held, ends } = await openHeld(t)
  await breakpoints.add({ direction: 'forward', on: '!' })
  const { client, target, connection } = await connect()
  await client.say('a!')
  void connection.close('enough')
  await turns()
  t.match(held(), [{ ended: true }])
  breakpoints.release('1')
  await target.end()
  await client.end()
  t.equal(target.heard(), 'a!.')
  t.match(await ends[0], { reason: 'enough', error: undefined })
})

t.test('nothing stays of connections: no timer, no listener, no stage', async t => {
  const { breakpoints, connect, ends, held } = await openHeld(t)
  const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  const before = timers()
  await breakpoints.add({ direction: 'forward', on: '!', time: 3_600_000 })
  for (const [i, act] of ['release', 'drop', 'reset', 'release', 'lose'].entries()) {
    const { client, target } = await connect()
    await client.say('a!')
    if (act === 'lose') client.stream.destroy(new Error('lost'))
    else breakpoints[act as 'drop'](held()[0]?.id as string)
    await client.end()
    await target.end()
    target.stream.destroy()
    await ends[i]
  }
  await turns()
  t.same(held(), [])
  t.equal(timers(), before)
})

t.test('nothing refers to a connection that has ended', async t => {
  const server = await listener(t, socket => void socket.on('end', () => socket.end()).resume())
  const ends: Promise<unknown>[] = []
  const link = await proxy({ port: 0, to: { port: portOf(server) }, onConnection: ({ closed }) => ends.push(closed) })
  t.teardown(() => link.close({ drain: 0 }))
  const infos: WeakRef<object>[] = []
  const { forward } = link
  const noting: Chain = {
    ...forward,
    set: (name, transforms, place) =>
      forward.set(
        name,
        info => {
          infos.push(new WeakRef(info))
          return (transforms as Transforms)(info) as Stage
        },
        place,
      ),
  }
  const find = (id: string) => [...link.connections].find(each => each.id === id)
  const breakpoints = openBreakpoints({ forward: noting }, { find }, () => {})
  await breakpoints.add({ direction: 'forward', on: '!' })
  for (const [i, act] of ['release', 'drop', 'reset'].entries()) {
    const client = clientOf(t, link.address)
    client.end('a!')
    await until(() => breakpoints.list().held.length > 0)
    breakpoints[act as 'drop'](String(i + 1))
    client.resume()
    await ends[i]
  }
  t.equal(infos.length, 3)
  await until(() => memoryInUse() > 0 && infos.every(each => !each.deref()))
  t.same(breakpoints.list().held, [])
})

t.test('a large upload is held at its first match: memory is bounded, and all of it arrives', async t => {
  const got: Promise<Buffer>[] = []
  const server = await listener(t, socket => {
    got.push(collect(socket))
    socket.resume()
  })
  const { breakpoints, held, link, marks } = await openHeld(t, {
    listen: 'tcp://127.0.0.1:0',
    to: { port: portOf(server) },
  })
  await breakpoints.add({ direction: 'forward', hex: '00' })
  const client = clientOf(t, link.address)
  const input = noise(10_000_000)
  const before = memoryInUse()
  client.end(input)
  await until(() => held()[0]?.bytes === 65_536)
  await settled(() => client.bytesWritten)
  t.ok(memoryInUse() - before < 8_000_000, `${memoryInUse() - before} bytes`)
  t.equal(held()[0]?.ended, false)
  await breakpoints.remove('1')
  t.ok((await got[0])?.equals(input))
  t.match(marks, [{ mark: 'held', offset: 0 }, { mark: 'released' }])
  client.destroy()
})

t.test('what is wrong is refused, with the reason', async t => {
  const { breakpoints, connect, link } = await openHeld(t)
  const long = 'ä'.repeat(2049)
  for (const [request, message] of [
    [undefined, 'the request: undefined is not allowed; expected an object'],
    [[], 'the request: an array is not allowed; expected an object'],
    [{ direction: 'forward' }, 'one of on, hex and turn is needed'],
    [{ direction: 'forward', turn: false }, 'one of on, hex and turn is needed'],
    [{ direction: 'forward', on: 'a', turn: true }, 'one of on, hex and turn is allowed, not on and turn'],
    [{ direction: 'forward', on: 'a', hex: '61' }, 'one of on, hex and turn is allowed, not on and hex'],
    [{ on: 'a' }, 'direction is missing; expected forward, reply'],
    [{ direction: 'up', on: 'a' }, "direction: 'up' is not allowed; expected forward, reply"],
    [{ direction: 'reply', on: '' }, "on: '' is not allowed; expected a text of 1 to 4096 bytes"],
    [
      { direction: 'reply', on: long },
      `on: '${long.slice(0, 100)}…' is not allowed; expected a text of 1 to 4096 bytes`,
    ],
    [{ direction: 'reply', on: 1 }, 'on: 1 is not allowed; expected a text of 1 to 4096 bytes'],
    [{ direction: 'reply', hex: '0' }, "hex: '0' is not allowed; expected 1 to 4096 bytes in hex, such as '0d0a'"],
    [{ direction: 'reply', hex: 'zz' }, /^hex: 'zz'/],
    [{ direction: 'reply', hex: '00'.repeat(4097) }, /^hex: '0{100}…'/],
    [{ direction: 'reply', turn: 1 }, 'turn: 1 is not allowed; expected true or false'],
    [{ direction: 'reply', turn: true, once: 'yes' }, "once: 'yes' is not allowed; expected true or false"],
    [{ direction: 'reply', turn: true, connection: 0 }, 'connection: 0 is not allowed; expected a whole number from 1'],
    [{ direction: 'reply', turn: true, time: 5 }, 'time: 5 is not allowed; expected 100 to 3600000'],
    [{ direction: 'reply', turn: true, time: 1e9 }, 'time: 1000000000 is not allowed; expected 100 to 3600000'],
    [{ direction: 'reply', turn: true, time: 100.5 }, 'time: 100.5 is not allowed; expected 100 to 3600000'],
    [
      JSON.parse('{"direction":"reply","turn":true,"__proto__":1}'),
      "there is no member '__proto__'; expected direction, on, hex, turn, connection, once, time",
    ],
  ] as const)
    await t.rejects(breakpoints.add(request), { status: 400, message }, JSON.stringify(request)?.slice(0, 80))
  t.same(breakpoints.list().breakpoints, [])
  t.same(link.forward.list(), [])
  await breakpoints.add({ direction: 'forward', on: '!', hex: null, turn: false, connection: null, once: false })
  const { client } = await connect()
  await client.say('a!')
  for (const [request, message] of [
    [7, 'the request: 7 is not allowed; expected an object'],
    [{ data: 'x' }, "data: 'x' is not allowed; expected bytes in base64"],
    [{ data: 'YQ=' }, /^data/],
    [{ data: 'Y_==' }, /^data/],
    [{ bytes: -1 }, 'bytes: -1 is not allowed; expected a whole number from 0'],
    [{ bytes: 3 }, 'bytes: 3 is not allowed; expected at most 2, which are held'],
    [{ text: 'a' }, "there is no member 'text'; expected data, bytes"],
  ] as const)
    t.throws(() => breakpoints.release('1', request), { status: 400, message })
  for (const call of ['held', 'release', 'drop', 'reset'] as const)
    t.throws(() => breakpoints[call]('7'), { status: 404, message: "there is no held direction '7'" })
  await t.rejects(breakpoints.remove('7'), { status: 404, message: "there is no breakpoint '7'" })
  t.equal(breakpoints.list().held.length, 1)
})

t.test('there are a hundred breakpoints at most', async t => {
  const { breakpoints } = await openHeld(t)
  for (let i = 0; i < 100; i++) await breakpoints.add({ direction: 'forward', on: `${i}` })
  const message = 'there are 100 breakpoints; remove one first'
  await t.rejects(breakpoints.add({ direction: 'forward', on: 'x' }), { status: 409, message })
  await breakpoints.remove('50')
  t.match(await breakpoints.add({ direction: 'forward', on: 'x' }), { id: '101' })
})

t.test('a chain that cannot be changed gets no breakpoint', async t => {
  const chain = { list: () => [], set: () => Promise.reject(new Error('not now')) } as unknown as Chain
  const breakpoints = openBreakpoints({ forward: chain }, { find: () => undefined }, () => {})
  await t.rejects(breakpoints.add({ direction: 'forward', turn: true }), { message: 'not now' })
  t.same(breakpoints.list().breakpoints, [])
  const missing = "direction: 'reply' is not allowed; expected forward"
  await t.rejects(breakpoints.add({ direction: 'reply', turn: true }), new Refusal(400, missing))
})

t.test('a connection that is not known any more is not reset, and has no figures', async t => {
  const { link, connect, connections } = await openHeld(t)
  let isKnown = false
  const find = (id: string) => (isKnown ? connections.find(id) : undefined)
  const breakpoints = openBreakpoints(link, { find }, () => {})
  await breakpoints.add({ direction: 'forward', on: '!' })
  await breakpoints.add({ direction: 'reply', on: '!' })
  const { client, target } = await connect()
  await client.say('a!')
  await target.say('b!')
  t.throws(() => breakpoints.reset('1'), { status: 409, message: 'the connection has ended' })
  isKnown = true
  breakpoints.reset('1')
  t.same(breakpoints.list().held, [])
})

const word = 'abcab'

/** What the target gets: by the chunks as they come to the stage, and what is done with each hold. */
function model(chunks: readonly Buffer[], acts: readonly string[]): string {
  const find = finder(Buffer.from(word))
  let passed = ''
  let i = 0
  for (const chunk of chunks) {
    const isHit = [...find(chunk)].length > 0
    const act = isHit ? acts[i++ % acts.length] : 'release'
    passed += act === 'drop' ? '' : act === 'edit' ? '<edited>' : chunk
  }
  return passed
}

t.test(
  'whatever the chunks, the holds and the answers, also while stages change: the target gets just that',
  async t => {
    const letters = fc.array(fc.constantFrom('a', 'b', 'c', 'abcab'), { maxLength: 40 }).map(each => each.join(''))
    const property = fc.asyncProperty(
      letters,
      cuts,
      fc.array(fc.constantFrom('release', 'drop', 'edit'), { minLength: 1, maxLength: 8 }),
      fc.boolean(),
      async (text, places, acts, changes) => {
        const { breakpoints, connect, held, link } = await openHeld(t)
        await breakpoints.add({ direction: 'forward', on: word })
        const { client, target } = await connect()
        const chunks = cutAt(places, Buffer.from(text)).filter(({ length }) => length > 0)
        let done = 0
        for (const chunk of chunks) {
          await client.say(chunk)
          const [hold] = held()
          if (changes && hold) await link.forward.set(`more-${done % 2}`, () => [each => each])
          const act = hold && acts[done++ % acts.length]
          if (act === 'drop') breakpoints.drop(hold?.id as string)
          else if (act)
            breakpoints.release(hold?.id as string, act === 'edit' ? { data: base64('<edited>') } : undefined)
          if (changes && done % 3 === 1) await link.forward.remove(`more-${(done - 1) % 2}`).catch(() => {})
        }
        await client.end()
        t.equal(target.heard(), `${model(chunks, acts)}.`)
        await link.close({ drain: 0 })
      },
    )
    await fc.assert(property, { numRuns: 40, seed: 5 })
  },
)

t.test(
  'numbered bytes at full speed, while breakpoints come and go and everything is released: none is lost',
  async t => {
    const { breakpoints, connect, held, link } = await openHeld(t)
    const { client, target } = await connect()
    const lines = Array.from({ length: 60_000 }, (_, i) => `${String(i).padStart(9, '0')}\n`).join('')
    let hits = 0
    client.stream.end(lines)
    for (let i = 0; !target.heard().endsWith('.'); i++) {
      const { id } = await breakpoints.add({ direction: 'forward', on: `${i % 10}\n` })
      await link.forward.set('other', () => [each => each])
      await turns(2)
      for (const hold of held()) breakpoints.release(hold.id)
      await turns(1)
      if (i % 2 === 0) await link.forward.remove('other')
      hits += breakpoints.list().breakpoints[0]?.hits as number
      await breakpoints.remove(id)
    }
    t.ok(hits > 0)
    t.equal(target.heard(), `${lines}.`)
  },
)
