/** The page in a real browser: opens it, waits for what it shows, and sees that it does nothing else. */
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { cleanup, eventually, freePort, launch, missing, type Process, shortDirectory } from './support.js'

const program = '/usr/bin/chromium'
const words = [
  ...['--disable-background-networking', '--disable-quic', '--disable-component-update', '--disable-sync'],
  '--no-first-run',
]

/** For what the page promises; the machines that test it are slow. */
export const patience = 30_000

/** The reason to skip, or false. */
export const noBrowser = missing(program)

/** For children that run as long as a test with a browser. */
export const long = { timeout: 120_000 }

let started: Promise<Browser> | undefined

/** One for each file. */
function browser(): Promise<Browser> {
  started ??= import('playwright-core').then(({ chromium }) =>
    chromium.launch({ executablePath: program, args: words, timeout: 60_000 }),
  )
  return started
}

t.teardown(async () => (await started)?.close())

export interface Visit {
  context: BrowserContext
  page: Page
  /** The part of the page with this id. */
  part(id: string): Locator
  /** Whatever the page should not have done. */
  complaints: string[]
}

export interface VisitOptions extends BrowserContextOptions {
  /** Complaints that are expected, such as those about a server that has ended. */
  expected?: RegExp
}

/** The URL that the program has logged. */
export async function urlOf(server: Process): Promise<string> {
  return String((await server.logged('page')).url)
}

/**
 * The page of a program, in a context of its own. At the end of the test the page must have raised no error, violated no
 * policy, opened no dialog, and asked no other origin.
 */
export async function visit(t: Test, of: Process | string, options: VisitOptions = {}): Promise<Visit> {
  const { expected, ...contextOptions } = options
  const url = typeof of === 'string' ? of : await urlOf(of)
  const context = await (await browser()).newContext({ viewport: { width: 1280, height: 800 }, ...contextOptions })
  context.setDefaultTimeout(patience)
  const complaints: string[] = []
  cleanup(t, async () => {
    await context.close()
    if (complaints.length > 0) throw new Error(`complaints of the browser:\n${complaints.join('\n')}`)
  })
  const complain = (text: string) => {
    if (!expected?.test(text)) complaints.push(text)
  }
  await watch(context, new URL(url).origin, complain)
  const page = await context.newPage()
  await page.goto(url)
  return { context, page, part: id => page.locator(`#${id}`), complaints }
}

async function watch(context: BrowserContext, origin: string, complain: (text: string) => void): Promise<void> {
  context.on('request', request => {
    const url = request.url()
    if (!url.startsWith(`${origin}/`) && !url.startsWith(`blob:${origin}/`)) complain(`request: ${url}`)
  })
  context.on('console', message => {
    if (['error', 'warning'].includes(message.type())) complain(`console: ${message.text()} ${message.location().url}`)
  })
  context.on('weberror', error => complain(`error: ${error.error().stack}`))
  context.on('dialog', dialog => {
    complain(`dialog: ${dialog.message()}`)
    dialog.dismiss().catch(() => {})
  })
  await context.exposeBinding('violated', (_, text: string) => complain(`policy: ${text}`))
  await context.addInitScript(
    `addEventListener('securitypolicyviolation', e => violated(e.violatedDirective + ' ' + e.blockedURI))`,
  )
}

/** Waits until the text of an element, as it is shown, matches. Returns it. Where nobody looks, nothing is shown. */
export function shows(locator: Locator, wanted: RegExp | string): Promise<string> {
  return becomes(() => locator.innerText({ timeout: 1000 }), wanted)
}

/** The same with all texts in an element, whether it is scrolled into view or not. */
export function has(locator: Locator, wanted: RegExp | string): Promise<string> {
  return becomes(async () => String(await locator.textContent({ timeout: 1000 })), wanted)
}

/** Asks for a text again and again, until it matches. Returns it. */
export async function becomes(ask: () => Promise<string>, wanted: RegExp | string): Promise<string> {
  let text = ''
  const matches = async () => {
    text = await ask().catch(error => `(${String(error).split('\n')[0]})`)
    return typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text)
  }
  await eventually(String(wanted), matches, patience).catch(error => {
    throw new Error(`${error.message}; shown: ${text.slice(0, 4000)}`)
  })
  return text
}

/** Waits for as many elements. */
export async function counts(locator: Locator, wanted: number): Promise<void> {
  let count = -1
  const matches = async () => {
    count = await locator.count()
    return count === wanted
  }
  await eventually(`${wanted} of ${locator}`, matches, patience).catch(error => {
    throw new Error(`${error.message}; there are ${count}`)
  })
}

/** The row of a connection in the table. */
export function row({ page }: Visit, number: number): Locator {
  return page.locator('table.connections tbody tr', {
    has: page.locator('td.number:first-child', { hasText: new RegExp(`^${number}$`) }),
  })
}

/** Chooses a connection, and waits for its conversation. */
export async function choose(visited: Visit, number: number): Promise<void> {
  await row(visited, number).locator('button.link').click()
  await shows(visited.part('conversation-about'), `#${number} `)
}

/** The turns that are shown, as one text for each. */
export function turns({ page }: Visit): Locator {
  return page.locator('#conversation .turn')
}

/** redis-server, by default on a free port. */
export async function redis(t: Test, wanted?: number): Promise<number> {
  const port = wanted ?? (await freePort())
  const settings = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', shortDirectory(t)]
  const server = launch(t, 'redis-server', ['--port', String(port), ...settings], {
    input: null,
    faults: null,
    ...long,
  })
  await server.printed('Ready to accept connections')
  return port
}

export const noRedis = noBrowser || missing('redis-server') || missing('redis-cli')
