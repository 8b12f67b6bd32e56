import { toJson, WrittenNumber } from '../lib/formats/json-number.js'
import { defineTransform, flag, list, type UnitTypes } from '../lib/stages/define.js'
import { TcpPipeError } from '../lib/text/errors.js'

/** Validates JSON values and writes each, or selected members, on its own line or pretty-printed. */
export const json = defineTransform({
  name: 'json',
  summary: 'validate JSON values and write one per line',
  group: 'lines and records',
  unit: 'json',
  indivisible: true,
  options: {
    pick: list('keep only these members', {
      allowed: "paths separated by ',', such as 'id,user.name'",
      check: path => path.split('.').every(Boolean),
    }),
    pretty: flag('pretty-print over several lines, indented by two spaces'),
  },
  example: {
    spec: 'json pick=id,user.name',
    input: '{ "id": 1, "user": { "name": "Ann", "age": 7 } }\n',
    output: '{"id":1,"user":{"name":"Ann"}}\n',
  },
  notes:
    'The input is a sequence of JSON values (RFC 8259), with or without white space between them, as for jq. ' +
    'Invalid JSON, nesting deeper than 512, or two members of one name in an object, is an error that names the ' +
    'line. No value changes: a number that JavaScript cannot hold, such as 1e400, -0 or an integer over 2^53, keeps ' +
    'its text; for any other, the shortest text is written. `pick` keeps structure: a missing member is omitted, a ' +
    'path applies to each element of an array, and any other value is kept unchanged.',
  create({ pick, pretty }) {
    const tree = pick && treeOf(pick.map(path => path.split('.')))
    const encode = (value: unknown) => (pretty ? prettyText(value) : toJson(value)) as string
    const copies = tree === undefined && !pretty
    return Object.assign((value: Json): Json => keep(value, tree), { encode, copies })
  },
})

/** Typed as the stage's author declares it. */
type Json = UnitTypes['json']

/** Members to keep, each with its own members to keep; undefined keeps everything. */
type Tree = Map<string, Tree | undefined>

function treeOf(paths: string[][]): Tree {
  const names = new Set(paths.map(([name]) => name as string))
  const below = (name: string) => paths.filter(([first]) => first === name).map(([, ...rest]) => rest)
  return new Map([...names].map(name => [name, below(name).some(isEmpty) ? undefined : treeOf(below(name))]))
}

function keep(value: unknown, tree: Tree | undefined): unknown {
  if (tree === undefined || typeof value !== 'object' || value === null) return value
  if (value instanceof WrittenNumber) return value
  if (Array.isArray(value)) return value.map(item => keep(item, tree))
  const members = value as Record<string, unknown>
  const kept = [...tree].filter(([name]) => Object.hasOwn(members, name))
  return Object.fromEntries(kept.map(([name, below]) => [name, keep(members[name], below)]))
}

/** Indentation can make a deeply nested value a thousand times larger. */
const mostIndentation = 16 * 1024 * 1024

function prettyText(value: unknown): string | undefined {
  if (indentationOf(value, 1) <= mostIndentation) return toJson(value, 2)
  throw new TcpPipeError(
    'ERR_RECORD_TOO_LONG',
    `json: with pretty=true, the indentation of a value exceeds ${mostIndentation} bytes`,
  )
}

/** Counts the LFs and spaces before the members. */
function indentationOf(value: unknown, depth: number): number {
  if (typeof value !== 'object' || value === null) return 0
  let bytes = 0
  for (const member of Object.values(value)) bytes += 1 + 2 * depth + indentationOf(member, depth + 1)
  return bytes
}

function isEmpty(path: string[]): boolean {
  return path.length === 0
}
