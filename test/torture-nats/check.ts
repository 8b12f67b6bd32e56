/** Compares what is in the files of the drain nodes with what was acknowledged. */
import { createReadStream, existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseRecord } from './records.js'

/** What one drain node has written, in the order in which it has. */
export class Drained {
  records = 0
  duplicates = 0
  /** Records that came for the first time after a later one of their connection. */
  readonly late: string[] = []
  /** Lines that are no records. */
  readonly torn: string[] = []
  /** Connection → the numbers of its records. */
  readonly #seen = new Map<string, { readonly numbers: Set<number>; last: number }>()

  /** Complete files only: what is in a .part was not acknowledged. */
  async read(folder: string): Promise<this> {
    const names = existsSync(folder) ? readdirSync(folder).filter(name => name.endsWith('.log')) : []
    for (const name of names.sort()) {
      const lines = createInterface({ input: createReadStream(join(folder, name)), crlfDelay: 0 })
      for await (const line of lines) this.#take(line, name)
    }
    return this
  }

  has(connection: string, number: number): boolean {
    return this.#seen.get(connection)?.numbers.has(number) === true
  }

  #take(line: string, file: string): void {
    const record = parseRecord(line)
    if (!record) return void this.torn.push(`${file}: ${line.slice(0, 80)}`)
    const { connection, number } = record
    const seen = this.#seen.get(connection) ?? { numbers: new Set(), last: -1 }
    this.#seen.set(connection, seen)
    this.records++
    if (seen.numbers.has(number)) return void this.duplicates++
    seen.numbers.add(number)
    if (number < seen.last) this.late.push(`${file}: ${connection} ${number} after ${seen.last}`)
    else seen.last = number
  }
}

/** The acknowledged records that no node has. */
export function lost(acknowledged: ReadonlyMap<string, number>, nodes: readonly Drained[]): string[] {
  const missing: string[] = []
  for (const [connection, count] of acknowledged)
    for (let number = 0; number < count; number++)
      if (!nodes.some(node => node.has(connection, number))) missing.push(`${connection} ${number}`)
  return missing
}
