/** Who may read and change what the page shows, and what it does when the program ends: in a real browser. */
import t from 'tap'
import { choose, has, long, noBrowser, row, shows, turns, urlOf, visit } from './browser.js'
import { greeted } from './page-scene.js'
import { freePort, serve } from './support.js'

const ui = ['--ui', '127.0.0.1:0']
const skip = noBrowser

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
