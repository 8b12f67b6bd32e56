/** Who a transfer is: the same file, sent again with the same secret, is the same transfer. */
import { createHmac, randomBytes } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'

/** What a sender knows of the file of a transfer. */
export interface FileIdentity {
  readonly id?: string
  readonly secret?: string
  /** Bytes; undefined unless it is a regular file. */
  readonly size?: number
}

/** Returns the identity of the transfer of a file to an address. Without a key, a new one each time. */
export async function identityOf(path: string, to: string, name = '', key?: string): Promise<FileIdentity> {
  const stats = await stat(path, { bigint: true })
  if (!stats.isFile()) return {}
  const { size, mtimeNs, dev, ino } = stats
  const words = [resolve(path), size, mtimeNs, dev, ino, to, name].join('\0')
  const digest = (what: string) =>
    createHmac('sha256', key as string)
      .update(`${what}\0${words}`)
      .digest('hex')
      .slice(0, 32)
  return { size: Number(size), ...(key !== undefined && { id: digest('id'), secret: digest('secret') }) }
}

/** 128 random bits in hex. */
export function newSecret(): string {
  return randomBytes(16).toString('hex')
}
