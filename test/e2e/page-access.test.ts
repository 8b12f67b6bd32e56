/** The page by keyboard alone, for assistive technology, in little room, light and dark: in a real browser. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import {
  becomes,
  choose,
  counts,
  has,
  long,
  noBrowser,
  row,
  shows,
  turns,
  type Visit,
  type VisitOptions,
  visit,
} from './browser.js'
import { dial, listen, proxy, type ServerProcess } from './support.js'

const skip = noBrowser
const ui = ['--ui', '127.0.0.1:0']

interface Scene {
  link: ServerProcess
  clients: Socket[]
}

/** A proxy with stages in front of an echo, and some clients. */
async function scene(t: Test): Promise<Scene> {
  const target = await listen(t, socket => void socket.pipe(socket))
  const link = await proxy(t, ['0', target.to, '-t', 'counter | slice 1k', '-r', 'counter', ...ui], long)
  const clients = []
  for (const words of ['one\n', '{"two":2}\n', 'three\n']) {
    const client = await dial(t, link.port)
    client.write(words)
    await once(client, 'data')
    clients.push(client.resume())
  }
  return { link, clients }
}

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
  for (let i = 0; i < 2 * count && found.size < count; i++) {
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

async function addBreakpoint({ page, part }: Visit, text: string): Promise<void> {
  const form = page.getByRole('form', { name: 'New breakpoint' })
  await form.getByRole('textbox').first().fill(text)
  await form.getByRole('button', { name: 'Add breakpoint' }).click()
  await shows(part('breakpoints'), `text “${text}”`)
}

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

/** Puts something into each section. */
async function filled(t: Test, options: VisitOptions): Promise<Visit> {
  const { link, clients } = await scene(t)
  const seen = await visit(t, link, options)
  await choose(seen, 2)
  await turns(seen).first().getByRole('button', { name: 'Mark' }).click()
  await seen.page.locator('.fault-entry summary').first().click()
  await seen.page.getByLabel('latency (required)').fill('1ms')
  await seen.page.getByRole('switch', { name: 'delay' }).click()
  await shows(seen.page.locator('.fault-entry').first(), 'latency=1ms')
  await addBreakpoint(seen, 'hold me')
  clients[1]?.write('hold me\n')
  await shows(seen.part('held'), '1 direction held')
  await has(seen.page.locator('.mark.held'), 'held')
  clients[2]?.resetAndDestroy()
  await shows(row(seen, 3), 'ended')
  await counts(seen.page.locator('#charts canvas'), 3)
  await shows(seen.part('pipeline'), 'counter')
  return seen
}

interface Violation {
  id: string
  help: string
  nodes: { target: unknown; failureSummary: string }[]
}

for (const colorScheme of ['light', 'dark'] as const) {
  for (const width of [1280, 480]) {
    t.test(`axe finds nothing: ${colorScheme}, ${width} pixels`, { skip }, async t => {
      const { source } = (await import('axe-core')).default
      const seen = await filled(t, { colorScheme, viewport: { width, height: 900 } })
      const { page } = seen
      await page.evaluate(source)
      const check = async (what: string) => {
        const report = await page.evaluate(
          `axe.run().then(({ violations, passes }) => ({ violations, passes: passes.length }))`,
        )
        const { violations, passes } = report as { violations: Violation[]; passes: number }
        t.ok(passes > 20, `${passes} rules have been looked at`)
        const found = violations.flatMap(({ id, help, nodes }) =>
          nodes.map(({ target, failureSummary }) => `${id}: ${help}: ${target}: ${failureSummary}`),
        )
        t.same(found, [], what)
      }
      await check('filled')
      for (const name of ['Hex', 'JSON lines']) {
        await page.getByRole('radiogroup', { name: 'View' }).getByRole('radio', { name, exact: true }).check()
        await has(turns(seen).first(), name === 'Hex' ? '00000000' : '"time"')
      }
      await check('JSON lines')
      await page.getByLabel('Filter').fill('nothing')
      await shows(seen.part('connections'), 'No connection matches.')
      await check('nothing listed')
    })
  }
}

t.test('there is no horizontal scroll bar, and nothing is cut off', { skip }, async t => {
  const seen = await filled(t, { viewport: { width: 1280, height: 800 } })
  const { page } = seen
  for (const [width, height] of [
    [480, 900],
    [640, 400], // what 1280 by 800 is at 200 %
    [1000, 700],
    [1280, 800],
  ] as const) {
    await page.setViewportSize({ width, height })
    for (const name of ['Messages', 'Hex', 'JSON lines']) {
      await page.getByRole('radiogroup', { name: 'View' }).getByRole('radio', { name, exact: true }).check()
      const wide = await page.evaluate(`[document.documentElement.scrollWidth, document.documentElement.clientWidth]`)
      const [scroll, client] = wide as [number, number]
      t.ok(scroll <= client, `${scroll} in ${client} pixels, ${name}`)
    }
    const cut =
      await page.evaluate(`[...document.querySelectorAll('button, input, select, textarea, summary, h2, .box, .verdict')]
      .filter(each => each.checkVisibility({ visibilityProperty: true }) && !each.closest('.table-scroll, .conversation, nav, .skip'))
      .filter(each => each.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
      .map(each => each.outerHTML.slice(0, 120))`)
    t.same(cut, [], `${width} pixels`)
  }
})

t.test('nothing moves for those who ask for no motion', { skip }, async t => {
  const seen = await filled(t, { reducedMotion: 'reduce' })
  const moving = await seen.page.evaluate(`[...document.querySelectorAll('*')].flatMap(each =>
    ['', '::before', '::after'].filter(pseudo => {
      const { transitionDuration, transitionProperty, animationName, scrollBehavior } = getComputedStyle(each, pseudo || null)
      return (transitionProperty !== 'none' && parseFloat(transitionDuration) > 0) || animationName !== 'none' || scrollBehavior === 'smooth'
    }).map(pseudo => each.outerHTML.slice(0, 80) + pseudo))`)
  t.same(moving, [])
})
