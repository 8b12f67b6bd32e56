import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Link } from '../../../../lib/endpoints/session/link.js'
import { Links, transferLinks } from '../../../../lib/endpoints/session/links.js'
import { encodeDataHeader, encodeFrame } from '../../../../lib/formats/session-frames.js'
import { legs } from '../../connection/support.js'

function open(t: Test) {
  const [leg, { stream: peer }] = legs(t)
  const link = new Link(leg, 0)
  t.teardown(() => link.end())
  return { link, leg, peer }
}

t.test('a link that is given is taken once', async t => {
  const links = new Links()
  t.equal(links.take(), undefined)
  const [one, other] = [open(t), open(t)]
  links.give(one.link)
  links.give(other.link)
  t.same([links.take() === one.link, links.take() === other.link, links.take()], [true, true, undefined])
})

t.test('a link that is over is not kept, nor one that is lost meanwhile', async t => {
  const links = new Links()
  const { link } = open(t)
  link.drop(new Error('x'))
  links.give(link)
  t.equal(links.take(), undefined)
  const { link: next, peer } = open(t)
  links.give(next)
  peer.destroy()
  await turn()
  t.equal(links.take(), undefined)
})

t.test('between two sessions a peer only shows that it lives, or confirms late', async t => {
  for (const [title, bytes, isKept] of [
    ['a ping', encodeFrame('ping'), true],
    ['a late confirmation of the session before', encodeFrame('ack', 0, Buffer.alloc(8)), true],
    ['a frame of a session', encodeFrame('end'), false],
    ['data', Buffer.concat([encodeDataHeader(0, [Buffer.from('a')], true), Buffer.from('a')]), false],
  ] as const) {
    const links = new Links()
    const { link, peer, leg } = open(t)
    links.give(link)
    peer.write(bytes)
    leg.stream.emit('drain')
    await turn()
    await turn()
    t.equal(links.take() === link, isKept, title)
    t.equal(link.isOver, !isKept, title)
  }
})

t.test('their owner ends them', async t => {
  const links = transferLinks() as Links
  const { link, peer } = open(t)
  links.give(link)
  links.end()
  t.same(await peer.toArray(), [])
  t.equal(links.take(), undefined)
})
