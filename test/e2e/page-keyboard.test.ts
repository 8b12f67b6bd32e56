/** The page by keyboard alone, in a real browser. */
import { once } from 'node:events'
import t from 'tap'
import { becomes, choose, counts, has, noBrowser, row, shows, turns, type Visit, visit } from './browser.js'
import { addBreakpoint, scene } from './page-scene.js'
import { dial } from './support.js'

const skip = noBrowser

/** Presses Tab until the focus is on what matches; `back` goes the other way. */
async function tabTo({ page }: Visit, selector: string, back = false): Promise<void> {
  for (let i = 0; i < 400; i++) {
    await page.keyboard.press(back ? 'Shift+Tab' : 'Tab')
    if (await page.evaluate(`document.activeElement.matches(${JSON.stringify(selector)})`)) return
  }
  throw new Error(`${selector} cannot be reached with Tab`)
}

const focused = ({ page }: Visit) => page.locator('*:focus')

/** What has the focus: which of the elements that Tab should reach, whether that can be seen, and what it is. */
const stop = `(() => {
  const element = document.activeElement
  if (!element || element === document.body) return undefined
  const { x, y, width, height } = element.getBoundingClientRect()
  const at = document.elementFromPoint(x + Math.min(width, innerWidth - x) / 2, y + Math.min(height, innerHeight - y) / 2)
  const looks = [element, element.nextElementSibling, element.parentElement].filter(Boolean).map(each => getComputedStyle(each))
  return {
    name: element.tagName + ' ' + (element.getAttribute('aria-label') ?? element.textContent ?? '').slice(0, 50) + ' ' + element.id,
    index: reachable.indexOf(element),
    isOutlined: looks.some(look => look.outlineStyle !== 'none' && parseFloat(look.outlineWidth) >= 1),
    isSeen: at !== null && (element.contains(at) || at.contains(element) || at.closest('label') === element.closest('label')),
  }
})()`

const reachable = `reachable = [...document.querySelectorAll(
  'a[href], button, input, select, textarea, summary, [tabindex="0"]'
)].filter(each => !each.disabled && each.checkVisibility({ visibilityProperty: true }) &&
  !(each.type === 'radio' && !each.checked))`

t.test('Tab reaches everything that can be used, and shows where it is', { skip }, async t => {
  const { link, clients } = await scene(t)
  const seen = await visit(t, link)
  const { page } = seen
  await choose(seen, 2)
  await turns(seen).first().waitFor()
  await addBreakpoint(seen, 'hold me')
  clients[0]?.write('hold me\n')
  await shows(seen.part('held'), '1 direction held')
  await page.locator('.fault-entry summary').first().click()
  await page.getByLabel('latency (required)').waitFor()
  const count = Number(await page.evaluate(`${reachable}; document.activeElement.blur(); reachable.length`))
  t.ok(count > 60, `${count} elements`)
  await page.evaluate(`scrollTo(0, 0)`)
  await page.locator('h1').click()
  const found = new Set<number>()
  const unseen: string[] = []
  for (let i = 0; i < 5 * count && found.size < count; i++) {
    await page.keyboard.press('Tab')
    const now = (await page.evaluate(stop)) as
      | { name: string; index: number; isOutlined: boolean; isSeen: boolean }
      | undefined
    if (!now) continue
    found.add(now.index)
    if (!now.isOutlined || !now.isSeen) unseen.push(JSON.stringify(now))
  }
  const missed = await page.evaluate(
    `reachable.filter((_, i) => !${JSON.stringify([...found])}.includes(i)).map(each => each.outerHTML.slice(0, 100))`,
  )
  t.same(missed, [], 'all are reached')
  t.same(unseen, [], 'each is seen, and has an outline')
})

t.test('everything is done without a mouse', { skip }, async t => {
  const { link, clients } = await scene(t)
  const seen = await visit(t, link)
  const { page, part } = seen
  await shows(row(seen, 2), 'open')
  await tabTo(seen, '.skip')
  await page.keyboard.press('Enter')
  t.equal(await page.evaluate(`document.activeElement.id`), 'main', 'the header is skipped')

  const second = `127.0.0.1:${clients[1]?.localPort}`
  await tabTo(seen, 'tbody tr:nth-child(2) button.link')
  await shows(focused(seen), second)
  await page.keyboard.press('Enter')
  await shows(part('conversation-about'), `#2 · ${second}`)
  await has(turns(seen).first(), '"two"')
  await tabTo(seen, '#conversation input[type=radio]')
  await page.keyboard.press('ArrowRight')
  await page.keyboard.press('ArrowRight')
  await has(turns(seen).first(), '00000000')
  await tabTo(seen, '#conversation input[type=search]')
  await page.keyboard.type('two')
  await page.keyboard.press('Enter')
  await has(page.locator('#conversation .range'), '1 of 2 matches')

  await tabTo(seen, '.fault-entry summary')
  await page.keyboard.press('Enter')
  await page.keyboard.press('Tab')
  await page.keyboard.type('10ms')
  await tabTo(seen, '.switch', true)
  await page.keyboard.press('Space')
  await becomes(async () => String(await focused(seen).getAttribute('aria-checked')), 'true')
  await shows(page.locator('.fault-entry').first(), 'latency=10ms')
  await page.keyboard.press('Space')
  await becomes(async () => String(await focused(seen).getAttribute('aria-checked')), 'false')

  await tabTo(seen, '#breakpoints .wide input', true)
  await page.keyboard.type('edit me')
  await page.keyboard.press('Enter')
  await shows(part('breakpoints'), 'text “edit me”')
  const answer = new Promise(resolve => clients[1]?.once('data', resolve))
  clients[1]?.write('edit me\n')
  await shows(part('held'), '1 direction held')
  t.ok(
    await focused(seen).evaluate(field => field.matches('#breakpoints input')),
    'what is held does not take the focus',
  )
  await tabTo(seen, '#held-jump', true)
  await page.keyboard.press('Enter')
  await becomes(() => page.evaluate(`document.activeElement.value`), 'edit me\\n')
  await page.keyboard.press('Control+A')
  await page.keyboard.type('edited\\n')
  await tabTo(seen, '#held button.primary')
  await page.keyboard.press('Enter')
  t.equal(String(await answer), 'edited\n')
  await part('held').waitFor({ state: 'hidden' })
  t.ok(await page.evaluate(`document.activeElement !== document.body`), 'the focus is not lost')

  await tabTo(seen, '#breakpoints .entries button')
  await page.keyboard.press('Enter')
  await shows(part('breakpoints'), 'No breakpoint is set.')
  await tabTo(seen, 'tbody tr:nth-child(2) .actions button:first-child', true)
  await page.keyboard.press('Enter')
  await shows(part('notice'), 'Connection 2 is closed')
})

t.test('the focus stays while the list changes', { skip }, async t => {
  const { link, clients } = await scene(t)
  const seen = await visit(t, link)
  const { page } = seen
  await row(seen, 1).locator('button.link').focus()
  const name = `127.0.0.1:${clients[0]?.localPort}`
  for (let i = 4; i <= 8; i++) {
    const client = await dial(t, link.port)
    client.write('more')
    await once(client, 'data')
    client.end()
    await shows(row(seen, i), /open|ended/)
    t.equal(await focused(seen).innerText(), name, `connection ${i} has come`)
  }
  const head = page.locator('th.bytesIn button')
  await head.focus()
  await page.keyboard.press('Enter')
  await becomes(() => page.locator('th.bytesIn').evaluate(each => String(each.getAttribute('aria-sort'))), 'descending')
  t.ok(await head.evaluate(each => each.matches(':focus')))
  await page.getByRole('radio', { name: /^Open \d/ }).check()
  await counts(page.locator('tbody tr'), 3)
  await row(seen, 3).locator('button.link').focus()
  clients[2]?.end()
  await counts(page.locator('tbody tr'), 2)
  await becomes(() => page.evaluate(`document.activeElement.closest('#connections')?.id ?? 'lost'`), 'connections')

  await choose(seen, 1)
  await turns(seen).first().getByRole('button', { name: 'Mark' }).focus()
  await page.keyboard.press('Enter')
  await becomes(async () => String(await focused(seen).getAttribute('aria-pressed')), 'true')
  clients[0]?.write('more')
  await has(turns(seen).nth(2), 'more')
  t.match(await focused(seen).getAttribute('aria-label'), 'Mark')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await counts(turns(seen), 3)
  t.equal(await page.evaluate(`document.activeElement.closest('#conversation')?.id ?? 'lost'`), 'conversation')
})
