/**
 * The pictures of the page in docs: `TAKE_SCREENSHOTS=1 node dist/test/e2e/page-pictures.test.js` takes them anew. Otherwise
 * they are taken, too, and must show something.
 */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import {
  becomes,
  choose,
  has,
  long,
  noRedis,
  redis,
  row,
  shows,
  turns,
  type Visit,
  type VisitOptions,
  visit,
} from './browser.js'
import { bounded, dial, launch, proxy, root, type ServerProcess } from './support.js'

const skip = noRedis
const isKept = process.env.TAKE_SCREENSHOTS === '1'

/** A stage of the user's that works too hard on large values. */
const redact = `import { createHash } from 'node:crypto'
export default chunk => {
  for (let i = chunk.length >> 12; i > 0; i--) createHash('sha256').update(chunk).digest()
  return chunk
}
`

/** What an application says to Redis. */
const commands = [
  ['SET', 'cart:1042', '{"items":[{"sku":"A-17","count":2}],"total":39.8}'],
  ['HSET', 'user:1042', 'name', 'Zoë', 'plan', 'basic'],
  ['LPUSH', 'orders', '1042', '1041'],
  ['INCR', 'orders:count'],
  ['LRANGE', 'orders', '0', '-1'],
  ['GET', 'cart:1042'],
  ['HGETALL', 'user:1042'],
  ['EXPIRE', 'cart:1042', 'soon'],
]

const encoded = (words: readonly string[]) =>
  `*${words.length}\r\n${words.map(word => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`

interface Scene {
  link: ServerProcess
  /** Sends a command as the application. */
  say(words: readonly string[]): Promise<void>
}

/** A proxy in front of Redis: one client loads large values, and an application talks. */
async function scene(t: Test): Promise<Scene> {
  const cwd = t.testdir({ 'redact.js': redact })
  const port = await redis(t, isKept ? 6379 : undefined)
  const link = await proxy(
    t,
    [isKept ? '6380' : '0', `127.0.0.1:${port}`, '-t', 'counter | ./redact.js', '--ui', '127.0.0.1:0'],
    {
      ...long,
      cwd,
      faults: null,
    },
  )
  await launch(t, 'redis-cli', ['-p', String(link.port), 'PING'], { faults: null }).ended
  const application = await dial(t, link.port)
  let answers = 0
  application.on('data', () => answers++)
  const say = async (words: readonly string[]) => {
    application.write(encoded(words))
    for (const before = answers; answers === before; ) await new Promise(resolve => application.once('data', resolve))
  }
  for (const words of commands) await say(words)
  const loader = await dial(t, link.port)
  const block = encoded(['SET', 'export', 'large value '.repeat(1400)]).repeat(4)
  const more = () => {
    while (!loader.destroyed && loader.write(block));
  }
  loader.resume().on('drain', more)
  more()
  return { link, say }
}

async function opened(t: Test, link: ServerProcess, options: VisitOptions): Promise<Visit> {
  const seen = await visit(t, link, { reducedMotion: 'reduce', ...options })
  await choose(seen, 2)
  await has(turns(seen).last(), 'ERR value is not an integer')
  await shows(seen.page.locator('.direction.forward .verdict.slow'), /slowest: .*redact\.js/)
  await shows(row(seen, 3), /[KM]iB\/s/)
  return seen
}

/** Takes a picture, and looks whether there is something to see. */
async function take(t: Test, { page }: Visit, name: string): Promise<void> {
  const folder = isKept ? join(root, 'docs') : t.testdirName
  const path = join(folder, name)
  await page.screenshot({ path, caret: 'hide' })
  const { size } = statSync(path)
  t.ok(size < 200_000, `${name} has ${size} bytes`)
  const picture = readFileSync(path).toString('base64')
  const colors = await page.evaluate(`(async () => {
    const bytes = Uint8Array.from(atob(${JSON.stringify(picture)}), each => each.charCodeAt(0))
    const image = await createImageBitmap(new Blob([bytes], { type: 'image/png' }))
    const context = new OffscreenCanvas(image.width, image.height).getContext('2d')
    context.drawImage(image, 0, 0)
    const pixels = new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer)
    const counts = new Map()
    for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1)
    return [counts.size, Math.max(...counts.values()) / pixels.length]
  })()`)
  const [count, most] = colors as [number, number]
  t.ok(count > 50, `${name} has ${count} colors`)
  t.ok(most < 0.9, `the most frequent one covers ${most}`)
}

t.test('the page in front of Redis, with a slow stage and a conversation', { skip, timeout: 120_000 }, async t => {
  t.testdir({})
  const { link, say } = await scene(t)
  const light = await opened(t, link, { colorScheme: 'light' })
  await light.page.locator('.conversation').evaluate(list => {
    list.scrollTop = 0
  })
  await take(t, light, 'page.png')

  const narrow = await opened(t, link, { colorScheme: 'light', viewport: { width: 480, height: 960 } })
  await narrow.page.evaluate(`scrollTo(0, 0)`)
  await take(t, narrow, 'page-narrow.png')

  const dark = await opened(t, link, { colorScheme: 'dark' })
  const form = dark.page.getByRole('form', { name: 'New breakpoint' })
  await form.getByRole('textbox').first().fill('plan')
  await form.getByRole('button', { name: 'Add breakpoint' }).click()
  await shows(dark.part('breakpoints'), 'text “plan”')
  const answer = say(['HSET', 'user:1042', 'plan', 'business'])
  await shows(dark.part('held'), 'Connection 2, forward')
  const field = dark.part('held').getByRole('textbox')
  await becomes(() => field.inputValue(), 'business')
  await field.fill((await field.inputValue()).replace(/\$8(.*)business/s, '$$5$1basic'))
  await has(turns(dark).last(), 'plan business')
  await turns(dark)
    .last()
    .evaluate(turn => turn.scrollIntoView({ block: 'end' }))
  await shows(turns(dark).last(), 'plan business')
  await shows(dark.part('notice'), /^$/)
  await take(t, dark, 'page-dark.png')
  await dark.part('held').getByRole('button', { name: 'Let go' }).click()
  await bounded(answer, 'the answer')
})
