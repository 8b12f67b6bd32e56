/** The page of a server in a real browser: what connects, what is slow, and the buttons that end connections. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import { becomes, choose, counts, has, long, noBrowser, row, shows, turns, visit } from './browser.js'
import { greeted } from './page-scene.js'
import { bounded, closed, dial, listen, proxy, serve, tcpPipe } from './support.js'

const ui = ['--ui', '127.0.0.1:0']
const skip = noBrowser

t.test('connections appear, and those that have ended stay', { skip }, async t => {
  const server = await serve(t, ['0', '--reply', ...ui], { ...long, faults: ['ECONNRESET'] })
  const seen = await visit(t, server)
  await shows(seen.part('connections'), `Connect a client to ${server.to}`)
  await shows(seen.part('command'), 'serve')
  t.match(await seen.page.title(), `serve ${server.to} – tcp-pipe`)
  const first = await greeted(t, server, 'x'.repeat(2048))
  const text = await shows(row(seen, 1), '2.00 KiB')
  t.match(text, /open/)
  t.match(text, `127.0.0.1:${first.localPort}`)
  const second = await greeted(t, server, 'hello')
  await shows(row(seen, 2), '5 B')
  await shows(seen.part('open-count'), '2 connections open')
  first.end()
  await shows(row(seen, 1), /ended.*peer/s)
  await shows(seen.part('open-count'), '1 connection open')
  await shows(row(seen, 2), 'open')
  second.resetAndDestroy()
  await shows(row(seen, 2), /ended.*the peer has reset the connection/s)
  await choose(seen, 2)
  await has(turns(seen).first(), 'hello')
  await shows(seen.part('log'), '127.0.0.1')
})

t.test('many connections are sorted, filtered and paged', { skip }, async t => {
  const server = await serve(t, ['0', '--reply', ...ui], long)
  const sockets: Socket[] = []
  for (let i = 1; i <= 60; i++) sockets.push(await greeted(t, server, 'x'.repeat(i === 7 ? 5000 : i)))
  const seen = await visit(t, server)
  const numbers = seen.page.locator('table.connections tbody td.number:first-child')
  const listed = async () => (await numbers.allInnerTexts()).join()
  const range = seen.page.locator('#connections .range')
  const descending = Array.from({ length: 60 }, (_, i) => 60 - i)
  await becomes(listed, descending.slice(0, 50).join())
  await shows(range, '1–50 of 60')
  await seen.page.getByLabel('Rows').selectOption('25')
  await shows(range, '1–25 of 60')
  t.ok(await seen.page.getByLabel('Previous page').isDisabled())
  await seen.page.getByLabel('Next page').click()
  await becomes(listed, descending.slice(25, 50).join())
  await seen.page.getByLabel('Next page').click()
  await becomes(listed, descending.slice(50).join())
  t.ok(await seen.page.getByLabel('Next page').isDisabled())
  await seen.page.getByLabel('Previous page').click()
  await shows(range, '26–50 of 60')

  const head = (name: string) => seen.page.locator('th', { has: seen.page.getByRole('button', { name, exact: true }) })
  await head('In').getByRole('button').click()
  await becomes(listed, /^7,60,59,/)
  t.equal(await head('In').getAttribute('aria-sort'), 'descending')
  t.equal(await head('#').getAttribute('aria-sort'), null)
  await head('In').getByRole('button').click()
  await becomes(listed, /^1,2,3,/)
  t.equal(await head('In').getAttribute('aria-sort'), 'ascending')

  for (const socket of sockets.slice(50)) socket.end()
  await seen.page.getByRole('radio', { name: /^Ended \d/ }).check()
  await shows(range, '1–10 of 10')
  await becomes(listed, '51,52,53,54,55,56,57,58,59,60')
  await seen.page.getByRole('radio', { name: /^All \d/ }).check()
  await seen.page.getByLabel('Filter').fill(String(sockets[19]?.localPort))
  await becomes(listed, /^20$/)
  await seen.page.getByLabel('Filter').fill('no such connection')
  await shows(seen.part('connections'), 'No connection matches.')
  await seen.page.getByLabel('Filter').fill('')
  await shows(range, '1–25 of 60')
})

const slow = `export default chunk => {
  for (const end = performance.now() + 20; performance.now() < end; );
  return chunk
}
`

/** Sends without a pause, as fast as the other end takes it. */
function flood(socket: Socket): void {
  const block = Buffer.alloc(65_536, 'text to compress\n')
  const more = () => {
    while (!socket.destroyed && socket.write(block));
  }
  socket.on('drain', more)
  more()
}

t.test('the slow stage turns its bar, and the verdict names it', { skip }, async t => {
  const cwd = t.testdir({ 'slow.js': slow })
  const target = await listen(t, socket => void socket.resume())
  const link = await proxy(t, ['0', target.to, '-t', 'counter | ./slow.js | throttle rate=1g', ...ui], { ...long, cwd })
  flood(await dial(t, link.port))
  const seen = await visit(t, link)
  const forward = seen.page.locator('.direction.forward')
  await shows(forward.locator('.verdict.slow'), /slowest: .*slow\.js/)
  await counts(forward.locator('.box.is-slow'), 1)
  t.match(await shows(forward.locator('.box.is-slow'), 'slowest'), /slow\.js/)
  const busy = forward.locator('.box.is-slow .share-bar')
  await becomes(async () => String(await busy.getAttribute('aria-label')), /^busy (8|9|10)\d %/)
  const width = await busy.evaluate(bar => {
    const [first] = bar.children as unknown as { getBoundingClientRect(): { width: number } }[]
    return (first?.getBoundingClientRect().width ?? 0) / bar.getBoundingClientRect().width
  })
  t.ok(width > 0.7, `the bar is busy over ${width} of its width`)
  t.match(await forward.innerText(), /\d [KM]iB\/s/)
})

t.test('a stage that is slow because it limits the rate, in serve and in send', { skip }, async t => {
  const server = await serve(t, ['0', '-o', '/dev/null', '-t', 'counter | throttle rate=64k | hex', ...ui], {
    ...long,
    faults: ['ECONNRESET'],
  })
  const input = Buffer.alloc(20_000_000, 'lines\n')
  const words = ['send', '--to', server.to, '-t', 'counter', '-t', 'throttle rate=32k', ...ui]
  const client = tcpPipe(t, words, { ...long, input, faults: null })
  for (const process of [client, server]) {
    const seen = await visit(t, process)
    const box = seen.page.locator('.direction.forward .box.is-slow')
    const isSend = process === client
    await shows(seen.page.locator('.direction.forward .verdict.slow'), isSend ? 'throttle' : /client|throttle/)
    await counts(box, 1)
    await shows(box, isSend ? /transforms?\s.*throttle/s : /client|throttle/)
    if (isSend) await shows(seen.part('conversation-about'), `${server.to}`)
  }
  client.kill('SIGTERM')
})

t.test(
  'the close button closes that connection, the reset button resets, and no other is touched',
  { skip },
  async t => {
    const server = await serve(t, ['0', '--reply', ...ui], { ...long, faults: ['reset'] })
    const sockets = []
    for (const words of ['one', 'two', 'three']) sockets.push(await greeted(t, server, words))
    const [first, second, third] = sockets as [Socket, Socket, Socket]
    const seen = await visit(t, server)
    const ended = once(second, 'end')
    await row(seen, 2).getByRole('button', { name: 'Close connection 2' }).click()
    await bounded(ended, 'the end')
    await shows(seen.part('notice'), 'Connection 2 is closed')
    second.end()
    await shows(row(seen, 2), /ended/)
    await row(seen, 3).getByRole('button', { name: 'Reset connection 3' }).click()
    await bounded(closed(third), 'the reset')
    t.match((third as { failed?: unknown }).failed, { code: 'ECONNRESET' })
    t.notOk((second as { failed?: unknown }).failed)
    await shows(row(seen, 3), /ended/)
    t.match(await row(seen, 1).innerText(), 'open')
    first.write('more')
    t.equal(String((await once(first, 'data'))[0]), 'more')
    t.ok(await row(seen, 2).getByRole('button', { name: 'Close' }).isHidden(), 'nothing to close any more')
  },
)
