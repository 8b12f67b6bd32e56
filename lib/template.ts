/** Names of files with placeholders for the connection that they belong to. */
import type { ConnectionInfo } from './connection.js'

const placeholder = /\{(id|remote|port|time)\}/g

/** True if two connections write to two files. */
export function isTemplate(name: string): boolean {
  return name.search(placeholder) !== -1
}

/** `logs/{remote}-{id}.log` → a path; each value is made safe, so that none can leave its place in the name. */
export function expandTemplate(template: string, info?: Pick<ConnectionInfo, 'id' | 'remote' | 'port'>): string {
  const values: Record<string, string> = {
    id: info?.id ?? 'none',
    remote: info?.remote ?? 'none',
    port: String(info?.port ?? 'none'),
    time: new Date()
      .toISOString()
      .replace(/\.\d+Z$/, 'Z')
      .replaceAll(':', '-'),
  }
  return template.replace(placeholder, (_, name: string) => safe(values[name] as string))
}

function safe(value: string): string {
  const name = value.replace(/[^\w.-]/g, '_').slice(0, 100)
  return /^\.*$/.test(name) ? '_' : name
}
