/** What the page does to the connections of a proxy, in a real browser: faults, and breakpoints. */
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
  noRedis,
  redis,
  row,
  shows,
  turns,
  type Visit,
  visit,
} from './browser.js'
import { bounded, closed, dial, launch, listen, type Process, proxy, type ServerProcess } from './support.js'

const ui = ['--ui', '127.0.0.1:0']

/** A proxy in front of an echo, its page, and a client. */
async function echoed(t: Test, faults: string[] = []): Promise<{ link: ServerProcess; seen: Visit; client: Socket }> {
  const target = await listen(t, socket => void socket.pipe(socket))
  const link = await proxy(t, ['0', target.to, ...ui], { ...long, faults })
  const client = await dial(t, link.port)
  client.write('hello')
  await once(client, 'data')
  const seen = await visit(t, link, { expected: /status of 400/ }) // an option with a mistake
  await choose(seen, 1)
  return { link, seen, client }
}

/** The milliseconds that an echo takes. */
async function echoTime(client: Socket, words: string): Promise<number> {
  const start = performance.now()
  const answer = once(client, 'data')
  client.write(words)
  await bounded(answer, words, 30_000)
  return performance.now() - start
}

const fault = ({ page }: Visit, name: string) =>
  page.locator('.fault-entry', { has: page.getByRole('switch', { name, exact: true }) })

t.test(
  'a latency that is switched on slows the next request, until it is switched off',
  { skip: noBrowser },
  async t => {
    const { link, seen, client } = await echoed(t)
    const delay = fault(seen, 'delay')
    const toggle = delay.getByRole('switch')
    const state = async () => String(await toggle.getAttribute('aria-checked'))
    await toggle.click()
    await shows(delay.getByRole('alert'), 'Give a value for latency')
    await delay.getByLabel('latency (required)').fill('soon')
    await toggle.click()
    await shows(delay.getByRole('alert'), "'soon'")
    t.equal(await state(), 'false')
    await delay.getByLabel('latency (required)').fill('1500ms')
    await delay.getByLabel('Direction').selectOption('reply')
    await toggle.click()
    await becomes(state, 'true')
    t.ok((await echoTime(client, 'slow')) >= 1400, 'a running connection')
    const other = await dial(t, link.port)
    t.ok((await echoTime(other, 'slow')) >= 1400, 'a new connection')
    await has(turns(seen).last(), /after 1\.[4-9]\d s|after [2-9]/)
    await shows(delay, /latency=1500ms · reply · all connections/)
    await toggle.click()
    await becomes(state, 'false')
    t.ok((await echoTime(client, 'fast')) < 1400, 'nothing is delayed any more')
  },
)

t.test('a fault of one connection leaves the others, and is marked where it fired', { skip: noBrowser }, async t => {
  const { link, seen, client } = await echoed(t)
  const corrupt = fault(seen, 'corrupt')
  await corrupt.locator('summary').first().click()
  await corrupt.getByText('More options').click()
  await corrupt.getByLabel('on', { exact: true }).fill('b')
  await corrupt.getByLabel('bits').fill('8')
  await corrupt.getByRole('combobox', { name: 'Of' }).selectOption('connection 1 only')
  await corrupt.getByRole('switch').click()
  await shows(corrupt, /corrupt .*on=b.* · forward · connection 1 · fired 0 times/)
  const other = await dial(t, link.port)
  other.write('abcd')
  t.equal(String((await once(other, 'data'))[0]), 'abcd')
  client.write('abcd')
  t.same((await once(client, 'data'))[0], Buffer.from([0x61, 0x62, 0x63 ^ 0xff, 0x64]))
  await shows(corrupt, 'fired 1 time')
  await has(seen.page.locator('.mark.fault'), /fault fired: corrupt/)
  await corrupt.getByRole('button', { name: /Switch off/ }).click()
  await counts(corrupt.locator('.entries li'), 0)
  client.write('abcd')
  t.equal(String((await once(client, 'data'))[0]), 'abcd')
})

t.test('figures that were made before a change do not undo it on the page', { skip: noBrowser }, async t => {
  const { seen, link } = await echoed(t)
  const { page } = seen
  const before = await (await page.request.get(`${new URL(page.url()).origin}/api/stats`)).text()
  const toggle = fault(seen, 'delay').getByRole('switch')
  await fault(seen, 'delay').locator('summary').first().click()
  await fault(seen, 'delay').getByLabel('latency (required)').fill('1ms')
  await toggle.click()
  await becomes(async () => String(await toggle.getAttribute('aria-checked')), 'true')
  const body = `event: stats\ndata: ${before}\n\n`
  await page.route('**/api/events*', route => route.fulfill({ contentType: 'text/event-stream', body }))
  await dial(t, link.port)
  await row(seen, 2).locator('button.link').click() // listens anew
  await page.locator('#live[data-state=waiting]').waitFor() // after these figures
  t.equal(await toggle.getAttribute('aria-checked'), 'true')
})

/** Adds a breakpoint by the form. */
async function add({ page, part }: Visit, text: string, time = '60', direction = 'forward'): Promise<void> {
  const form = page.getByRole('form', { name: 'New breakpoint' })
  await form.getByLabel('Direction').selectOption(direction)
  await form.getByLabel('Text', { exact: true }).last().fill(text)
  await form.getByLabel('Goes on after (s)').fill(time)
  await form.getByRole('button', { name: 'Add breakpoint' }).click()
  await shows(part('breakpoints'), `text “${text}”`)
}

const held = ({ page }: Visit) => page.locator('#held')

/** Holds the requests for this until what is returned is called. */
async function heldBack({ page }: Visit, url: string): Promise<() => void> {
  let go = () => {}
  const gone = new Promise<void>(resolve => {
    go = resolve
  })
  await page.route(url, route => gone.then(() => route.continue()))
  return go
}
const editor = (seen: Visit) => held(seen).getByRole('textbox')
const press = (seen: Visit, name: string) => held(seen).getByRole('button', { name, exact: true }).click()

t.test('what redis is sent is held, edited, let go, dropped and reset', { skip: noRedis }, async t => {
  const port = await redis(t)
  const link = await proxy(t, ['0', `127.0.0.1:${port}`, ...ui], { ...long, faults: ['reset at a breakpoint'] })
  const cli = (at: number, ...words: string[]): Process =>
    launch(t, 'redis-cli', ['-p', String(at), ...words], { ...long, faults: null })
  const stored = async () => String((await cli(port, 'GET', 'greeting').ended).stdout)
  const seen = await visit(t, link)
  await add(seen, 'SET')
  await held(seen).waitFor({ state: 'hidden' })

  const edited = cli(link.port, 'SET', 'greeting', 'hello')
  await shows(held(seen), 'Connection 1, forward: 38 bytes')
  await becomes(
    () => editor(seen).inputValue(),
    '*3\\r\\n\n$3\\r\\n\nSET\\r\\n\n$8\\r\\n\ngreeting\\r\\n\n$5\\r\\n\nhello\\r\\n',
  )
  t.equal(await stored(), '\n', 'redis has not heard of it')
  await choose(seen, 1)
  await shows(row(seen, 1), 'held')
  await has(seen.page.locator('.mark.held'), 'held')
  await shows(seen.part('held-jump'), '1 direction held')
  const room = () =>
    seen.page.evaluate(`String(parseFloat(document.documentElement.style.scrollPaddingBottom) - held.offsetHeight)`)
  await becomes(room as () => Promise<string>, /^0$/)
  await editor(seen).fill((await editor(seen).inputValue()).replace('hello', 'HOWDY'))
  await shows(held(seen), /38 bytes, edited/)
  await press(seen, 'Let go')
  t.equal(String((await edited.ended).stdout), 'OK\n')
  t.equal(await stored(), 'HOWDY\n')
  await has(seen.part('conversation'), 'edited')
  await held(seen).waitFor({ state: 'hidden' })

  const unchanged = cli(link.port, 'SET', 'greeting', 'as it is')
  await shows(held(seen), 'Connection 2, forward')
  await held(seen).getByRole('radio', { name: 'Hex' }).check()
  await becomes(() => editor(seen).inputValue(), /^2a 33 0d 0a 24 33 0d 0a 53 45 54/)
  await editor(seen).fill('2a 3')
  await held(seen).getByRole('alert').waitFor()
  t.ok(await held(seen).getByRole('button', { name: 'Let go' }).isDisabled(), 'half a byte cannot be sent')
  await editor(seen).fill(Buffer.from('*3\r\n$3\r\nSET\r\n$8\r\ngreeting\r\n$3\r\nhex\r\n').toString('hex'))
  await press(seen, 'Let go')
  t.equal(String((await unchanged.ended).stdout), 'OK\n')
  t.equal(await stored(), 'hex\n')

  const dropped = cli(link.port, 'SET', 'greeting', 'dropped')
  await shows(held(seen), 'Connection 3, forward')
  await press(seen, 'Drop')
  await held(seen).waitFor({ state: 'hidden' })
  await choose(seen, 3)
  await has(seen.page.locator('.mark.dropped'), 'dropped')
  t.equal(await stored(), 'hex\n')
  dropped.kill('SIGTERM')

  const reset = cli(link.port, 'SET', 'greeting', 'reset')
  await shows(held(seen), 'Connection 4, forward')
  await press(seen, 'Reset')
  t.match(await reset.ended, { code: 1, stderr: /reset|closed/i })
  t.equal(await stored(), 'hex\n')
})

t.test(
  'what is held goes on by itself after its time, and when its breakpoint is removed',
  { skip: noBrowser },
  async t => {
    const { seen, client } = await echoed(t)
    await add(seen, 'world', '2', 'reply')
    const answer = once(client, 'data')
    client.write('world')
    await shows(held(seen), /Connection 1, reply: 5 bytes\s+goes on in \d s/)
    t.equal(String((await bounded(answer, 'the answer', 30_000))[0]), 'world')
    await held(seen).waitFor({ state: 'hidden' })
    await shows(seen.part('breakpoints'), 'hit 1 time')
    await seen.page.getByRole('button', { name: /^Remove:/ }).click()
    await shows(seen.part('breakpoints'), 'No breakpoint is set.')

    await add(seen, 'again', '3600', 'reply')
    const second = once(client, 'data')
    client.write('again')
    await shows(held(seen), /goes on in 3[56]\d\d s/)
    await seen.page.getByRole('button', { name: /^Remove:/ }).click()
    t.equal(String((await bounded(second, 'the answer', 30_000))[0]), 'again')
    await held(seen).waitFor({ state: 'hidden' })
  },
)

t.test(
  'several directions are held at the same time, and more comes while one is edited',
  { skip: noBrowser },
  async t => {
    const { link, seen, client } = await echoed(t, ['reset at a breakpoint'])
    await add(seen, 'x')
    const goOn = await heldBack(seen, '**/api/held/*')
    client.write('x1')
    await shows(held(seen), 'Connection 1, forward: 2 bytes')
    t.notOk(await editor(seen).isEditable(), 'what is not there yet cannot be edited')
    t.ok(await held(seen).getByRole('radio', { name: 'Hex' }).isDisabled())
    goOn()
    await editor(seen).fill('edited,')
    client.write('x2')
    await shows(held(seen), '2 bytes more have come. They follow unchanged.')
    t.equal(await editor(seen).inputValue(), 'edited,', 'nothing is lost of what was typed')
    const other = await dial(t, link.port)
    other.write('x3')
    await shows(held(seen), '2 directions held')
    await held(seen).getByRole('button', { name: 'Connection 2' }).click()
    await becomes(() => editor(seen).inputValue(), /^x3$/)
    await press(seen, 'Let go')
    t.equal(String((await once(other, 'data'))[0]), 'x3')
    await shows(held(seen), '1 direction held')
    await press(seen, 'Reset')
    await bounded(closed(client), 'the reset')
    await shows(row(seen, 1), 'ended')
  },
)
