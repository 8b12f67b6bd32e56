import { defineTransform, flag, list, type UnitTypes } from '../lib/stages/define.js'
import { TcpPipeError } from '../lib/text/errors.js'

/** Checks JSON values and writes each on a line of its own, compact or pretty, the whole or parts of it. */
export const json = defineTransform({
  name: 'json',
  summary: 'check JSON values, write each on a line',
  group: 'lines and records',
  unit: 'json',
  indivisible: true,
  options: {
    pick: list('keep these members only', {
      allowed: "paths separated by ',', such as 'id,user.name'",
      check: path => path.split('.').every(Boolean),
    }),
    pretty: flag('write it over several lines, indented by two spaces'),
  },
  example: {
    spec: 'json pick=id,user.name',
    input: '{ "id": 1, "user": { "name": "Ann", "age": 7 } }\n',
    output: '{"id":1,"user":{"name":"Ann"}}\n',
  },
  notes:
    'The input is JSON values (RFC 8259), one after the other with or without white space between, as for jq; what is ' +
    'no JSON, or nested deeper than 512, is an error that tells the line. Numbers are those of JavaScript: an integer over 2^53 loses digits. Of several ' +
    'members of the same name the last one counts. `pick` keeps what is there and where it is: a member that is not there ' +
    'is left out, in an array the path goes on into each element, and a value that is neither stays as it is.',
  create({ pick, pretty }) {
    const tree = pick && treeOf(pick.map(path => path.split('.')))
    const encode = (value: unknown) => (pretty ? prettyText(value) : JSON.stringify(value))
    return Object.assign((value: Json): Json => keep(value, tree), { encode })
  },
})

/** Whatever its author says it is. */
type Json = UnitTypes['json']

/** Members to keep, and of each which members; undefined keeps everything. */
type Tree = Map<string, Tree | undefined>

function treeOf(paths: string[][]): Tree {
  const names = new Set(paths.map(([name]) => name as string))
  const below = (name: string) => paths.filter(([first]) => first === name).map(([, ...rest]) => rest)
  return new Map([...names].map(name => [name, below(name).some(isEmpty) ? undefined : treeOf(below(name))]))
}

function keep(value: unknown, tree: Tree | undefined): unknown {
  if (tree === undefined || typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(item => keep(item, tree))
  const members = value as Record<string, unknown>
  const kept = [...tree].filter(([name]) => Object.hasOwn(members, name))
  return Object.fromEntries(kept.map(([name, below]) => [name, keep(members[name], below)]))
}

/** What a small value takes over several lines can be a thousand times as much, all of it spaces. */
const mostIndentation = 16 * 1024 * 1024

function prettyText(value: unknown): string {
  if (indentationOf(value, 1) <= mostIndentation) return JSON.stringify(value, null, 2)
  throw new TcpPipeError('ERR_RECORD_TOO_LONG', `json: indented, a value is longer than ${mostIndentation} bytes`)
}

/** Bytes of LF and spaces before the members. */
function indentationOf(value: unknown, depth: number): number {
  if (typeof value !== 'object' || value === null) return 0
  let bytes = 0
  for (const member of Object.values(value)) bytes += 1 + 2 * depth + indentationOf(member, depth + 1)
  return bytes
}

function isEmpty(path: string[]): boolean {
  return path.length === 0
}
