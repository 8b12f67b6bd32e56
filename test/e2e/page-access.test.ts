/** The page for assistive technology, in little room, light and dark: in a real browser. */
import t, { type Test } from 'tap'
import { choose, counts, has, noBrowser, row, shows, turns, type Visit, type VisitOptions, visit } from './browser.js'
import { addBreakpoint, scene } from './page-scene.js'

const skip = noBrowser

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
