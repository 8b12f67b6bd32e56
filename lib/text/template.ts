/** Texts with placeholders in braces. */

/** The value of a placeholder: a fixed text, or a function that returns the current one. */
export type Values = Record<string, string | (() => string)>

/** The values for the file name of a connection. */
export interface Named {
  readonly id: string
  readonly remote: string
  readonly port: number | undefined
  /** The relative path that the peer gives to its data, if it gives one. */
  readonly name?: string | undefined
}

const forFiles = /\{(id|remote|port|time|name)\}/

/** Returns a function that replaces `{name}` with its current value. Unknown words in braces stay unchanged. */
export function template(text: string, values: Values): () => string {
  const parts = text.split(/(\{\w+\})/).map(part => {
    const name = part.slice(1, -1)
    return part.startsWith('{') && part.endsWith('}') && Object.hasOwn(values, name)
      ? (values[name] as Values[string])
      : part
  })
  return () => {
    let expanded = ''
    for (const part of parts) expanded += typeof part === 'string' ? part : part()
    return expanded
  }
}

/** True if the name has a placeholder, so that connections write to different files. */
export function isTemplate(name: string): boolean {
  return forFiles.test(name)
}

/** Says what is wrong with the name of a file: a word in braces that is no placeholder. */
export function wrongPlaceholder(name: string): string | undefined {
  const wrong = name.match(/\{\w+\}/g)?.find(word => !isTemplate(word))
  return wrong && `'${wrong}' is not a placeholder; expected {id}, {remote}, {port}, {time} or {name}`
}

/** Whether the name needs one that the peer gives. */
export function needsName(name: string): boolean {
  return name.includes('{name}')
}

/** Returns the part of the name before its first placeholder. */
export function fixedPart(name: string): string {
  return name.split(forFiles, 1)[0] as string
}

/** `logs/{remote}-{id}.log` → a path. Each value is sanitized, so that none can escape its place in the name. */
export function expandTemplate(name: string, info?: Named): string {
  const { id = 'none', remote = 'none', port = 'none', name: given = 'none' } = info ?? {}
  const time = () =>
    new Date()
      .toISOString()
      .replace(/\.\d+Z$/, 'Z')
      .replaceAll(':', '-')
  return template(name, { id: safe(id), remote: safe(remote), port: String(port), time, name: safePath(given) })()
}

function safe(value: string): string {
  const name = value.replace(/[^\w.-]/g, '_').slice(0, 100)
  return /^\.*$/.test(name) ? '_' : name
}

/** Keeps the folders of a relative path, and what its parts are called. None of them leads out of its folder. */
function safePath(path: string): string {
  return path.split('/').map(safePart).join('/')
}

function safePart(part: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones that a name must not have
  const name = part.replace(/[\0-\x1f\x7f\\]/g, '_')
  return /^\.{0,2}$/.test(name) ? '_' : name
}
