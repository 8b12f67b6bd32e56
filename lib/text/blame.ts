/** Which stage an error comes from, and from which line of whose code. */
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The origin of an error in a stage. */
export interface Origin {
  /** The name of the stage. */
  readonly stage: string
  /** The place in the code of the stage, as `file:line`; undefined if the error comes from a stage of this package. */
  readonly at?: string
}

const stages = new WeakMap<object, string>()

/** Notes the stage that an error comes from. The first one counts: the others only pass it on. */
export function blame(error: unknown, stage: string | undefined): void {
  if (stage !== undefined && typeof error === 'object' && error !== null && !stages.has(error)) stages.set(error, stage)
}

/** Returns the origin of an error in a stage, or undefined if it comes from elsewhere. */
export function originOf(error: unknown): Origin | undefined {
  const stage = stages.get(error as object)
  if (stage === undefined) return undefined
  const at = placeOf(error)
  return { stage, ...(at !== undefined && { at }) }
}

/**
 * Returns the place in the code that this package or the loader called and that an error comes from, as `file:line`:
 * the first one outside of packages, or else the first one. For a syntax error, the place of that.
 */
export function placeOf(error: unknown): string | undefined {
  const { stack } = (error ?? {}) as { stack?: unknown }
  if (typeof stack !== 'string') return undefined
  const [, place] = /^((?:file:\/\/)?\/[^\n]*:\d+)\n/.exec(stack) ?? []
  if (place !== undefined) return shorten(place)
  const frames = framesOf(stack, error)
  const called = frames.findIndex(isCaller)
  const places = frames.slice(0, called < 0 ? frames.length : called).flatMap(frame => placeIn(frame) ?? [])
  return places.find(each => !each.includes('node_modules/')) ?? places[0]
}

/** Returns the stack of an error and of its causes line by line, without the frames of Node.js and of this package. */
export function stackLines(error: unknown): string[] {
  const lines: string[] = []
  for (let each = error, depth = 0; each instanceof Error && depth < mostCauses; each = each.cause, depth++) {
    const frames = framesOf(String(each.stack), each)
    const own = frames.filter(frame => placeIn(frame) !== undefined)
    lines.push(`${depth > 0 ? 'caused by ' : ''}${each.name}: ${each.message}`, ...(own.length > 0 ? own : frames))
  }
  return lines.map(line => line.replace(/file:\/\/\/[^\s()]*/g, pathOf))
}

const mostCauses = 5

/** The frames, without the message before them, which may contain anything. */
function framesOf(stack: string, error: unknown): string[] {
  const message = String((error as Error).message)
  const lines = stack.slice(stack.indexOf(message) + message.length).split('\n')
  return lines.map(line => line.trim()).filter(line => line.startsWith('at '))
}

/** The place of a frame, unless it is one of Node.js or of this package. */
function placeIn(frame: string): string | undefined {
  const path = pathIn(frame)
  return path === '' || isOurs.test(path) ? undefined : shorten(path)
}

/** Whether the code of the user is called from this frame: what follows has called this package, and is no stage. */
function isCaller(frame: string): boolean {
  return isOurs.test(pathIn(frame)) || frame.includes('node:internal/modules/')
}

/** The path and the line of a frame; empty for a frame of Node.js. */
function pathIn(frame: string): string {
  const [, inBrackets, plain] =
    /\(((?:file:\/\/)?\/[^()]*:\d+):\d+\)$|^at (?:async )?((?:file:\/\/)?\/.*:\d+):\d+$/.exec(frame) ?? []
  return pathOf(inBrackets ?? plain ?? '')
}

/** The folder of the package; in a bundle of a user, that of the bundle. */
const root = fileURLToPath(new URL('./', import.meta.url.replace(/\/dist\/(?!.*\/dist\/).*/, '/')))

/** The files of this package, compiled, bundled or as source maps name them, and of what calls its stages. */
const isOurs = new RegExp(
  `^${root.replace(/[^\w/]/g, '\\$&')}(dist/bundle|(dist/)?(lib|transforms|cli))/|/node_modules/stream-chain/`,
)

function shorten(place: string): string {
  const path = pathOf(place)
  const near = path.startsWith('/') ? relative('', path) : path
  return near.startsWith('..') ? path : near
}

/** The path of a URL; other text stays. */
function pathOf(text: string): string {
  const [, url = text, position = ''] = /^(file:.*?)((?::\d+)*)$/.exec(text) ?? []
  try {
    return fileURLToPath(url) + position
  } catch {
    return text // it is a path already
  }
}
