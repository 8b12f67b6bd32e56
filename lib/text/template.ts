/** Texts with placeholders in braces. */
/** What stands for a placeholder: the same text always, or what it is at the time. */
export type Values = Record<string, string | (() => string)>

/** What can stand in the name of a file of a connection. */
export interface Named {
  readonly id: string
  readonly remote: string
  readonly port: number | undefined
}

const forFiles = /\{(id|remote|port|time)\}/

/** `{name}` → its value, each time anew. Words in braces that have no value stay as they are. */
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

/** True if two connections write to two files. */
export function isTemplate(name: string): boolean {
  return forFiles.test(name)
}

/** `logs/{remote}-{id}.log` → a path; each value is made safe, so that none can leave its place in the name. */
export function expandTemplate(name: string, info?: Named): string {
  const { id = 'none', remote = 'none', port = 'none' } = info ?? {}
  const time = () =>
    new Date()
      .toISOString()
      .replace(/\.\d+Z$/, 'Z')
      .replaceAll(':', '-')
  return template(name, { id: safe(id), remote: safe(remote), port: String(port), time })()
}

function safe(value: string): string {
  const name = value.replace(/[^\w.-]/g, '_').slice(0, 100)
  return /^\.*$/.test(name) ? '_' : name
}
