/** The page of a server in a real browser: what connects, what is slow, who may change something, and the end. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { becomes, choose, counts, has, long, noBrowser, row, shows, turns, urlOf, visit } from './browser.js'
import { bounded, closed, dial, freePort, listen, proxy, type ServerProcess, serve, tcpPipe } from './support.js'

const ui = ['--ui', '127.0.0.1:0']
const skip = noBrowser

/** Connects, and waits for the answer of an echo: the connection has its number then. */
async function greeted(t: Test, server: ServerProcess, words: string): Promise<Socket> {
  const socket = await dial(t, server.port)
  socket.write(words)
  for (let length = 0; length < words.length; ) length += (await once(socket, 'data'))[0].length
  return socket.resume()
}

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

const refused = /status of 401/

t.test('without the token the page only reads; the form takes it, and says if it is wrong', { skip }, async t => {
  const server = await serve(t, ['0', '--reply', ...ui], long)
  await greeted(t, server, 'hello')
  const [bare, token] = (await urlOf(server)).split('#token=') as [string, string]
  const seen = await visit(t, bare, { expected: refused })
  const close = row(seen, 1).getByRole('button', { name: 'Close' })
  await shows(seen.part('access'), 'Read only')
  await shows(row(seen, 1), 'open')
  t.ok(await close.isDisabled())
  t.match(await close.getAttribute('title'), 'enter the token')
  await choose(seen, 1)
  await has(turns(seen).first(), 'hello')
  await seen.page.getByRole('button', { name: 'Enter token' }).click()
  const field = seen.page.getByLabel('Token', { exact: true })
  await field.fill('wrong')
  await seen.page.getByRole('button', { name: 'Use it' }).click()
  await shows(seen.part('notice'), 'The token is wrong')
  await shows(seen.part('live'), 'Live')
  t.ok(await close.isDisabled())
  await field.fill(token) // the form has stayed open
  await field.press('Enter')
  await shows(seen.part('access'), 'Full access')
  await close.click()
  await shows(row(seen, 1), 'ended')
  await seen.page.reload()
  await shows(seen.part('access'), 'Full access')
  t.notMatch(seen.page.url(), token, 'the address does not keep the token')
})

t.test('on an address of the network nothing is read without the token', { skip }, async t => {
  const server = await serve(t, ['0', '--reply', '--ui', '0.0.0.0:0'], long)
  await greeted(t, server, 'secret')
  const url = new URL(await urlOf(server))
  const bare = `http://127.0.0.1:${url.port}/`
  for (const path of ['stats', 'connections', 'events', 'history', 'log', 'faults', 'breakpoints'])
    t.equal((await fetch(`${bare}api/${path}`)).status, 401, path)
  const seen = await visit(t, bare, { expected: refused })
  await shows(seen.part('live'), 'The token is needed')
  await shows(seen.part('access'), 'No access')
  const field = seen.page.getByLabel('Token', { exact: true })
  await field.waitFor()
  t.notMatch(await seen.part('main').innerText(), /127\.0\.0\.1|secret/)
  await field.fill('wrong')
  await field.press('Enter')
  await shows(seen.part('live'), 'The token is needed')
  t.notMatch(await seen.part('main').innerText(), /127\.0\.0\.1|secret/)
  await field.fill(`${bare}${url.hash}`) // the whole address is taken, too
  await field.press('Enter')
  await shows(seen.part('access'), 'Full access')
  await shows(row(seen, 1), '127.0.0.1')
})

const gone =
  /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|status of 401/

t.test('the page says that the program has ended, and comes back with the next one', { skip }, async t => {
  const port = await freePort()
  const words = ['0', '--reply', '--ui', `127.0.0.1:${port}`]
  const first = await serve(t, [...words, '--ui-token', 'the-same-token-as-before'], {
    ...long,
    faults: ['reset on the page'],
  })
  await greeted(t, first, 'hello')
  const seen = await visit(t, first, { expected: gone })
  await choose(seen, 1)
  await shows(seen.part('live'), 'Live')
  const killed = await serve(t, ['0', '--reply', ...ui], { ...long, faults: null })
  const other = await visit(t, killed, { expected: gone })
  await shows(other.part('live'), 'Live')
  killed.kill('SIGKILL')
  await shows(other.part('live'), 'Disconnected: the server does not answer')

  await row(seen, 1).getByRole('button', { name: 'Reset' }).click()
  await shows(row(seen, 1), 'ended')
  first.kill('SIGTERM')
  await shows(seen.part('live'), 'The program has ended')
  t.match(await row(seen, 1).innerText(), '127.0.0.1', 'what was seen last can still be read')
  await has(turns(seen).first(), 'hello')

  const second = await serve(t, [...words, '--ui-token', 'the-same-token-as-before'], long)
  await shows(seen.part('live'), 'Live')
  await shows(seen.part('access'), 'Full access')
  await shows(seen.part('connections'), `Connect a client to ${second.to}`)
  second.kill('SIGTERM')
  await shows(seen.part('live'), 'The program has ended')

  await serve(t, words, long)
  await shows(seen.part('live'), 'Live')
  await shows(seen.part('access'), 'Read only')
  await shows(seen.part('notice'), 'The program has been started again and has a new token')
  await seen.page.getByLabel('Token', { exact: true }).waitFor()
})
