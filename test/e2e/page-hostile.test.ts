/** Bytes and names that would like to be more than text, on the page in a real browser. */
import { once } from 'node:events'
import t from 'tap'
import { choose, counts, has, long, noBrowser, row, shows, turns, urlOf, type Visit, visit } from './browser.js'
import { dial, listen, proxy } from './support.js'

const skip = noBrowser
const ui = ['--ui', '127.0.0.1:0']

/** Markup that would run, escape sequences of terminals, and characters that move, hide or break others. */
const script = `<script>window.hacked=1;alert(1)</script>`
const image = `<img src=x onerror="window.hacked=1;alert(1)">`
const vector = `"><svg onload=alert(1)><a href=javascript:alert(1)>x</a>`
const style = `</pre></article><style>*{display:none}</style><iframe src=//evil.example>`
const moving = `\u202eevil\u2066\u200b\u2028`
const control = `\x1b[31m\x1b]0;title\x07\x00\r\n`
const markup = [script, image, vector, style]

/** Elements that none of our own are, and characters that none of our texts has. */
async function isClean({ page }: Visit): Promise<Record<string, unknown>> {
  return page.evaluate(`({
    elements: [...document.querySelectorAll('img, svg, iframe, style, object, embed, base, a[href^="javascript:"], script:not([src])')]
      .map(each => each.outerHTML),
    handlers: [...document.querySelectorAll('*')].flatMap(each => each.getAttributeNames().filter(name => /^on/.test(name))),
    characters: [...new Set(document.documentElement.textContent.match(/[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]/g))],
    attributes: [...document.querySelectorAll('*')].flatMap(each => [...each.attributes])
      .filter(({ value }) => /[\\x00-\\x08\\x0b-\\x1f\\u200b\\u2028-\\u202e\\u2066-\\u2069]/.test(value)).map(({ value }) => value),
    hacked: window.hacked,
  })`)
}

const clean = { elements: [], handlers: [], characters: [], attributes: [], hacked: undefined }

t.test('bytes that look like HTML, scripts and escape sequences stay text, in each view', { skip }, async t => {
  const target = await listen(t, socket => void socket.pipe(socket))
  const link = await proxy(t, ['0', target.to, ...ui], long)
  const seen = await visit(t, link)
  const { page } = seen
  const say = async (bytes: string | Buffer) => {
    const client = await dial(t, link.port)
    client.write(bytes)
    await once(client, 'data')
    client.end()
  }
  const all = [...markup, moving, control].join('\n')
  await say(`${all}\n`)
  await say(`*2\r\n$3\r\nSET\r\n$${Buffer.byteLength(all)}\r\n${all}\r\n`)
  await say(`GET /${encodeURI(script)}${image} HTTP/1.1\r\nHost: ${vector}\r\n${style}: ${moving}\r\n\r\n`)
  await say(Buffer.concat([Buffer.from(all), Buffer.from([0xff, 0xfe, 0xc0, 0x80])]))
  for (const number of [1, 2, 3, 4]) {
    await choose(seen, number)
    await turns(seen).first().waitFor()
    for (const name of ['Messages', 'Text', 'JSON lines', 'Hex']) {
      await page.getByRole('radiogroup', { name: 'View' }).getByRole('radio', { name, exact: true }).check()
      if (name === 'JSON lines') await has(turns(seen).first(), number === 4 ? '"base64":' : '"text":')
      else if (name === 'Hex') await has(turns(seen).first(), /00000000/)
      else if (number === 3) await has(turns(seen).first(), image)
      else await has(turns(seen).first(), number === 4 && name === 'Messages' ? '|<script>window.h|' : script)
      t.same(await isClean(seen), clean, `connection ${number} as ${name}`)
    }
    await page.getByRole('radiogroup', { name: 'View' }).getByRole('radio', { name: 'Messages' }).check()
  }
  await choose(seen, 1)
  await page.getByLabel('Search').fill('<img')
  await has(page.locator('#conversation .range'), '2 matches')
  await page.getByLabel('Search').press('Enter')
  await has(turns(seen).first(), '\\u{202e}evil\\u{2066}\\u{200b}\\u{2028}')
  await has(turns(seen).first(), '\\x1b[31m\\x1b]0;title\\x07\\x00')
  t.same(await isClean(seen), clean, 'found')
})

/** A module whose name and whose errors are markup, as far as a file system takes it. */
const module = `./${image.replaceAll('/', '')}${moving}.js`

t.test('names and messages stay text: stages, targets, reasons, the log, faults and breakpoints', { skip }, async t => {
  const cwd = t.testdir({
    [module]: `export default chunk => {
  if (String(chunk) === 'fail') throw new Error(${JSON.stringify(`${script}${moving}\x1b[2J`)})
  return chunk
}
`,
  })
  const target = await listen(t, socket => void socket.pipe(socket))
  const words = ['0', target.to, '-t', `'${module}'`, ...ui]
  const link = await proxy(t, words, { ...long, cwd, faults: ['<script>'] })
  const client = await dial(t, link.port)
  client.on('error', () => {})
  client.write('hello')
  await once(client, 'data')
  const seen = await visit(t, link, { expected: /status of 400/ })
  const { page, part } = seen
  await shows(part('pipeline'), '<img src=x onerror=')
  await shows(part('pipeline'), '\\u{202e}evil')
  t.same(await isClean(seen), clean, 'a stage')

  const form = page.getByRole('form', { name: 'New breakpoint' })
  await form.getByRole('textbox').first().fill(`${script}${moving}`)
  await form.getByRole('button', { name: 'Add breakpoint' }).click()
  await shows(part('breakpoints'), `text “${script}\\u{202e}evil`)
  client.write(`${script}${moving}`)
  await shows(part('held'), 'forward')
  t.same(await isClean(seen), clean, 'a breakpoint, and what it holds')
  await part('held').getByRole('button', { name: 'Let go' }).click()
  await part('held').waitFor({ state: 'hidden' })

  const corrupt = page.locator('.fault-entry', { has: page.getByRole('switch', { name: 'corrupt' }) })
  await corrupt.locator('summary').first().click()
  await corrupt.getByText('More options').click()
  await corrupt.getByLabel('on', { exact: true }).fill(`${image}${moving}`)
  await corrupt.getByRole('switch').click()
  await shows(corrupt, '<img src=x onerror=')
  await corrupt.getByLabel('nth').fill(image)
  await corrupt.getByRole('button', { name: 'Switch on once more' }).click()
  await shows(corrupt.getByRole('alert'), '<img src=x')
  t.same(await isClean(seen), clean, 'a fault')

  client.write('fail')
  await shows(row(seen, 1), script)
  await shows(part('log'), script)
  await page.getByLabel('Filter').fill(`${script.slice(0, 20)}`)
  await counts(page.locator('table.connections tbody tr'), 1)
  await page.getByLabel('Filter').fill(image)
  await shows(part('connections'), 'No connection matches.')
  t.same(await isClean(seen), clean, 'a reason, and the log')
  t.notMatch(await page.title(), /\u202e/)
})

t.test('the address of the page cannot bring anything', { skip }, async t => {
  const link = await proxy(t, ['0', '127.0.0.1:1', ...ui], long)
  const bare = (await urlOf(link)).split('#')[0] as string
  for (const rest of [
    '#token=%3Cimg%20src=x%20onerror=alert(1)%3E',
    '#token=%',
    '?x=<script>alert(1)</script>',
    `#${image}`,
  ]) {
    const seen = await visit(t, `${bare}${rest}`, { expected: /status of 401/ })
    await shows(seen.part('live'), /Live/)
    await shows(seen.part('access'), 'Read only')
    t.same(await isClean(seen), clean, rest)
  }
})

t.test('nothing of the page needs another host than its server', { skip }, async t => {
  const target = await listen(t, socket => void socket.pipe(socket))
  const link = await proxy(t, ['0', target.to, ...ui], long)
  const client = await dial(t, link.port)
  client.write('hello')
  await once(client, 'data')
  const seen = await visit(t, link)
  const { origin } = new URL(seen.page.url())
  const asked: string[] = []
  await seen.context.route('**', route => {
    const url = route.request().url()
    asked.push(url)
    return url.startsWith(`${origin}/`) ? route.continue() : route.abort()
  })
  await seen.page.reload()
  await choose(seen, 1)
  await has(turns(seen).first(), 'hello')
  await counts(seen.page.locator('#charts canvas'), 3)
  await counts(seen.page.locator('.fault-entry'), 7)
  t.ok(asked.length > 10)
  t.same(
    asked.filter(url => !url.startsWith(`${origin}/`)),
    [],
  )
  const stored = await seen.page.evaluate(`JSON.stringify([document.cookie, { ...localStorage }])`)
  t.equal(stored, '["",{}]', 'it leaves nothing behind')
})
