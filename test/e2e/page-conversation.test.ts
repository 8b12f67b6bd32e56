/** Conversations on the page, in a real browser: what they look like, and what is copied and saved is what is shown. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import {
  becomes,
  choose,
  counts,
  has,
  long,
  noBrowser,
  noRedis,
  redis,
  row,
  turns,
  type Visit,
  visit,
} from './browser.js'
import { cleanup, dial, launch, listen, missing, pattern, proxy, type ServerProcess } from './support.js'

const ui = ['--ui', '127.0.0.1:0']
const skip = noBrowser

/** The page of a proxy in front of a server that answers each line, and what a client has said to it. */
async function lines(t: Test, words: readonly string[] = []): Promise<{ link: ServerProcess; say: Say }> {
  const target = await listen(t, socket => void socket.on('data', data => socket.write(`you said: ${data}`)))
  const link = await proxy(t, ['0', target.to, ...words, ...ui], long)
  const socket = await dial(t, link.port)
  let answers = ''
  socket.on('data', data => {
    answers += data
  })
  const say = async (text: string) => {
    socket.write(`${text}\n`)
    await becomes(async () => answers, `you said: ${text}\n`)
  }
  return { link, say }
}

type Say = (text: string) => Promise<void>

const view = ({ page }: Visit, name: string) =>
  page.getByRole('radiogroup', { name: 'View' }).getByRole('radio', { name, exact: true })

/** What a click saves. */
async function saved({ page }: Visit, button: string): Promise<{ name: string; content: Buffer }> {
  const coming = page.waitForEvent('download')
  await page.getByRole('button', { name: button, exact: true }).click()
  const download = await coming
  return { name: download.suggestedFilename(), content: readFileSync(await download.path()) }
}

/** What a click copies. */
async function copied({ page, part, context }: Visit, click: () => Promise<void>, done: string): Promise<string> {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: new URL(page.url()).origin })
  await page.evaluate(`navigator.clipboard.writeText('')`)
  await click()
  await has(part('notice'), done)
  return page.evaluate(`navigator.clipboard.readText()`)
}

t.test('a conversation of redis-cli reads as commands and answers', { skip: noRedis }, async t => {
  const link = await proxy(t, ['0', `127.0.0.1:${await redis(t)}`, ...ui], long)
  const seen = await visit(t, link)
  const commands = 'SET greeting "hello world"\nGET greeting\nRPUSH list a b\nLRANGE list 0 -1\nGET absent\nWRONG\n'
  const { stdout } = await launch(t, 'redis-cli', ['-p', String(link.port)], { input: commands, faults: null }).ended
  t.match(String(stdout), 'hello world')
  await choose(seen, 1)
  const request = (label: string) => seen.page.locator('.exchange', { hasText: `RESP ${label}` })
  t.match(await has(request('SET'), 'OK'), /SET greeting "hello world"/)
  t.match(await has(request('SET'), 'OK'), /after [\d.]+ m?s/, 'the time to the reply')
  await has(request('GET 2 args').first(), '"hello world"')
  await has(request('LRANGE'), /1\) "a"\s+2\) "b"/)
  await has(request('GET 2 args').last(), '(nil)')
  await has(request('WRONG'), /\(error\) ERR unknown command/)
  const [asked, answered] = await Promise.all(
    ['.request', '.reply'].map(side => request('LRANGE').locator(side).boundingBox()),
  )
  t.ok(asked && answered && answered.x >= asked.x + asked.width - 1, 'the reply stands beside its request')
  t.equal(asked?.y, answered?.y)
})

t.test('HTTP reads as requests and answers', { skip: noBrowser || missing('curl') }, async t => {
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json')
    request.resume().on('end', () => response.end(JSON.stringify({ path: request.url })))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  cleanup(t, () => server.close())
  const link = await proxy(t, ['0', `127.0.0.1:${(server.address() as AddressInfo).port}`, ...ui], long)
  const url = `http://${link.to}`
  const words = ['-s', '-d', 'a=1', `${url}/first`, '--next', '-s', `${url}/second?b=2`]
  await launch(t, 'curl', words).ended
  const seen = await visit(t, link)
  await choose(seen, 1)
  const asked = turns(seen).filter({ hasText: 'HTTP POST /first' })
  t.match(await has(asked, 'body: 3 bytes'), /POST \/first HTTP\/1\.1.*Content-Length: 3.*a=1/s)
  const answered = seen.page.locator('.exchange', { hasText: '/second?b=2' }).locator('.reply')
  t.match(await has(answered, 'HTTP 200'), /content-type: application\/json.*"\/second\?b=2"/s)
  await counts(turns(seen), 4)
})

t.test('lines are followed while they come; each view shows the same bytes', { skip }, async t => {
  const { link, say } = await lines(t)
  await say('first')
  const seen = await visit(t, link)
  await choose(seen, 1)
  await has(turns(seen).first(), /text, 1 line.*first/)
  await say('tab\there, \u00e9 and \u{1f600}')
  await has(turns(seen).nth(3), /you said: tab\there, é and 😀/)
  await view(seen, 'Text').check()
  await has(turns(seen).nth(2), 'tab\there')
  await view(seen, 'Hex').check()
  await has(turns(seen).nth(0), /00000000\s+66 69 72 73 74 0a\s+\|?first\.\|?/)
  await view(seen, 'JSON lines').check()
  await has(turns(seen).nth(1), '"way":"out"')
  const [json] = await turns(seen).nth(1).locator('pre').allTextContents()
  t.match(JSON.parse(String(json)), { way: 'out', offset: 0, bytes: 16, text: 'you said: first\n', wait: Number })
  await view(seen, 'Messages').check()
  await seen.page.getByLabel('Read messages as').selectOption('bytes')
  await has(turns(seen).nth(0), '66 69 72 73 74 0a')
})

t.test('it follows what comes, until somebody scrolls back', { skip }, async t => {
  const { link, say } = await lines(t)
  for (let i = 0; i < 60; i++) await say(`line ${i}`)
  const seen = await visit(t, link)
  await choose(seen, 1)
  const follow = seen.page.getByLabel('Follow')
  const isAtEnd = () =>
    seen.page
      .locator('.conversation')
      .evaluate(list => String(list.scrollHeight - list.scrollTop - list.clientHeight < 10))
  await has(turns(seen).last(), 'line 59')
  await becomes(isAtEnd, 'true')
  t.ok(await follow.isChecked())
  await say('one more')
  await has(turns(seen).last(), 'one more')
  await becomes(isAtEnd, 'true')
  await seen.page.setViewportSize({ width: 700, height: 500 })
  await say('in a smaller window')
  await has(turns(seen).last(), 'in a smaller window')
  await becomes(isAtEnd, 'true')
  await seen.page.setViewportSize({ width: 1280, height: 1000 })
  await say('in a larger window')
  await has(turns(seen).last(), 'in a larger window')
  await becomes(isAtEnd, 'true')
  t.ok(await follow.isChecked(), 'the size of the window does not stop it')
  await seen.page.locator('.conversation').hover()
  await seen.page.mouse.wheel(0, -600)
  await becomes(async () => String(await follow.isChecked()), 'false')
  await say('not looked at')
  await has(turns(seen).last(), 'not looked at')
  t.equal(await isAtEnd(), 'false')
  await follow.check()
  await becomes(isAtEnd, 'true')
})

t.test('search, hide and mark', { skip }, async t => {
  const { link, say } = await lines(t)
  for (const text of ['apple', 'pear', 'Apple pie']) await say(text)
  const seen = await visit(t, link)
  const { page } = seen
  await choose(seen, 1)
  await counts(turns(seen), 6)
  const search = page.getByLabel('Search')
  const result = page.locator('#conversation .range')
  await search.fill('apple')
  await has(result, '4 matches')
  await search.press('Enter')
  await has(result, '1 of 4 matches')
  await has(page.locator('.turn.is-current'), /apple/)
  await page.getByLabel('Next match').click()
  await has(result, '2 of 4 matches')
  await has(page.locator('.turn.is-current'), 'you said: apple')
  await search.press('Shift+Enter')
  await search.press('Shift+Enter')
  await has(result, '4 of 4 matches')
  await has(page.locator('.turn.is-current'), 'you said: Apple pie')
  await search.fill('hex:70 69 65 0a')
  await has(result, '2 matches')
  await search.fill('nowhere')
  await has(result, 'no match')
  await search.fill('hex:zz')
  await has(page.locator('#conversation .field-error'), /hex|digit/i)
  await search.fill('')

  const tool = (index: number, name: string) => turns(seen).nth(index).getByRole('button', { name })
  await tool(0, 'Hide').click()
  await counts(turns(seen), 5)
  await has(turns(seen).first(), 'you said: apple')
  await page.getByRole('button', { name: 'Unhide all 1' }).click()
  await counts(turns(seen), 6)
  await tool(2, 'Mark').click()
  await tool(5, 'Mark').click()
  t.equal(await tool(2, 'Mark').getAttribute('aria-pressed'), 'true')
  await page.getByLabel('Only marked').check()
  await counts(turns(seen), 2)
  await has(turns(seen).first(), 'pear')
  await page.getByLabel('Only marked').uncheck()
  await counts(turns(seen), 6)
})

t.test('copy and save give what is shown', { skip }, async t => {
  const { link, say } = await lines(t)
  for (const text of ['apple', 'pear', 'plum']) await say(text)
  const seen = await visit(t, link)
  const { page } = seen
  await choose(seen, 1)
  await counts(turns(seen), 6)
  await turns(seen).nth(2).getByRole('button', { name: 'Hide' }).click()
  await counts(turns(seen), 5)
  for (const [name, ending] of [
    ['Messages', '.txt'],
    ['Text', '.txt'],
    ['Hex', '.hex.txt'],
    ['JSON lines', '.jsonl'],
  ] as const) {
    await view(seen, name).check()
    await page.locator('.turn pre').nth(4).waitFor({ state: 'attached' })
    const { name: file, content } = await saved(seen, 'Save what is shown')
    const text = String(content)
    t.match(file, new RegExp(`^connection-1-127\\.0\\.0\\.1-\\d+${ending.replaceAll('.', '\\.')}$`))
    const shown = await page.locator('.turn pre').allTextContents()
    t.equal(shown.length, 5)
    for (const each of shown) t.ok(text.includes(each.trimEnd()), `${name}: ${each}`)
    const copy = () => page.getByRole('button', { name: 'Copy what is shown' }).click()
    t.equal(await copied(seen, copy, 'The conversation is copied'), text, `${name}: the copy is the same`)
    if (name === 'JSON lines') for (const line of text.trimEnd().split('\n')) JSON.parse(line)
    else if (name !== 'Hex') t.notOk(text.includes('\npear'), 'without what is hidden')
  }
  await view(seen, 'Text').check()
  const one = () => turns(seen).last().getByRole('button', { name: 'Copy' }).click()
  t.match(await copied(seen, one, 'The turn is copied'), /^<< .* 15 bytes, .*\nyou said: plum$/)
})

t.test('a raw file has the very bytes', { skip }, async t => {
  const bytes = pattern(50_000)
  const target = await listen(t, socket => void socket.pipe(socket))
  const link = await proxy(t, ['0', target.to, ...ui], long)
  const socket = await dial(t, link.port)
  socket.resume().end(bytes)
  const seen = await visit(t, link)
  await has(row(seen, 1), 'ended')
  await choose(seen, 1)
  await turns(seen).first().waitFor()
  for (const way of ['in', 'out']) {
    const { name, content } = await saved(seen, `Raw ${way}`)
    t.match(name, new RegExp(`^connection-1-.*-${way}\\.bin$`))
    t.ok(content.equals(bytes), `${content.length} bytes ${way}`)
  }
})

t.test('what is not kept any more is said', { skip }, async t => {
  const { link, say } = await lines(t, ['--keep', '4k'])
  for (let i = 0; i < 100; i++) await say(`line ${i} ${'x'.repeat(90)}`)
  const seen = await visit(t, link)
  await choose(seen, 1)
  await has(
    seen.page.locator('.conversation > .note'),
    /KiB in and [\d.]+ KiB out are not kept by the program any more/,
  )
  await has(turns(seen).last(), 'line 99')
  const { content } = await saved(seen, 'Raw out')
  t.ok(content.length > 0 && content.length <= 4096, `${content.length} bytes are kept`)
  t.match(String(content), /line 99 x+\n$/)
  const { content: text } = await saved(seen, 'Save what is shown')
  t.match(String(text), /bytes before are not kept/)
  t.notMatch(String(text), 'line 1 x')
})
