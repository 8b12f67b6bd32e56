/** The records of the torture: lines `client connection number padding`, whose padding follows from the numbers. */
import { Chance } from '../torture/chance.js'

/** Of one connection of a client, which never uses its number again. */
export function recordsOf(client: number, connection: number, count: number): string[] {
  const chance = new Chance(client * 1_000_003 + connection)
  return Array.from({ length: count }, (_, number) => recordOf(client, connection, number, chance))
}

function recordOf(client: number, connection: number, number: number, chance: Chance): string {
  const length = chance.is(0.01) ? chance.below(2000) : chance.below(80)
  return `${client} ${connection} ${number} ${String.fromCharCode(97 + (number % 26)).repeat(length)}\n`
}

/** Text → the name of a connection and the number of the record. Undefined if it is no record. */
export function parseRecord(line: string): { readonly connection: string; readonly number: number } | undefined {
  const [, connection, number = '', padding = ''] = /^(\d+ \d+) (\d+) ([a-z]*)$/.exec(line) ?? []
  if (connection === undefined || !/^(.?)\1*$/.test(padding)) return undefined
  return { connection, number: Number(number) }
}
