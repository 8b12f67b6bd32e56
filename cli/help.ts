/**
 * The help of every command, rendered in one place. `--help` fits one screen: examples and the options that are
 * `frequent`. `--help-all` shows every option under the heading of its group.
 */
import { type Command, CommanderError, Help, type HelpConfiguration, Option } from 'commander'
import { wrap } from './wrap.js'

/** A command line to copy, and what it does. */
export interface Example {
  readonly line: string
  readonly meaning?: string
}

const shownFirst = new WeakSet<Option>()
const examples = new WeakMap<Command, readonly Example[]>()
const notes = new WeakMap<Command, string>()

/** Marks the option as one that `--help` shows. A command without such options shows all of them. */
export function frequent(option: Option): Option {
  shownFirst.add(option)
  return option
}

/** Puts the options under their own heading in the help and in the man page. */
export function group(heading: string, options: readonly Option[]): Option[] {
  return options.map(option => option.helpGroup(heading))
}

/** Sets the examples of a command. A meaning may be missing where the line says it all. */
export function withExamples(command: Command, list: readonly (readonly [line: string, meaning?: string])[]): Command {
  examples.set(
    command,
    list.map(([line, meaning]) => (meaning === undefined ? { line } : { line, meaning })),
  )
  return command
}

/** Sets a text that both helps end with. */
export function withNote(command: Command, note: string): Command {
  notes.set(command, note)
  return command
}

/** Its note, if it has one. */
export function noteOf(command: Command): string[] {
  return [notes.get(command) ?? []].flat()
}

export function examplesOf(command: Command): readonly Example[] {
  return examples.get(command) ?? []
}

/** The name of an option's value in its flags: `time` for `--wait <time>`, undefined for a flag. */
export function valueName({ flags }: Option): string | undefined {
  return /[<[]([^\]>.]+)(?:\.\.\.)?[\]>]$/.exec(flags)?.[1]
}

/** What a number without a unit means, by the name of the value. The library takes milliseconds and bytes. */
const units: Record<string, string> = {
  time: 'A time is a number of seconds, or has a unit: 250ms, 10s, 2m, 1h.',
  bytes: 'A size is a number of bytes, or has a unit: 64k, 1MiB, 1MB (decimal).',
}

/** The units of the values that these options take, a sentence each. */
export function unitsOf(options: readonly Option[]): string[] {
  return Object.keys(units).flatMap(name =>
    options.some(each => valueName(each) === name) ? [units[name] as string] : [],
  )
}

/** At most this many columns: longer lines are hard to read. */
const widest = 100

/** The least columns of a description beside its term. With fewer, it stands below. */
const narrowest = 32

/** The form of both helps. */
const form: HelpConfiguration & ThisType<Help> = {
  minWidthToWrap: 20,
  prepareContext({ helpWidth = 80 }) {
    this.helpWidth = Math.min(helpWidth, widest)
  },
  optionDescription: ({ description }) => description,
  styleUsage(usage) {
    const start = 'Usage: '.length
    return wrap(usage, (this.helpWidth ?? 80) - start).replaceAll('\n', `\n${' '.repeat(start)}`)
  },
  argumentDescription: ({ description }) => description,
  formatItem(term, termWidth, description, helper) {
    const width = this.helpWidth ?? 80
    const beside = Help.prototype.formatItem.call(this, term, termWidth, description, helper)
    if (!description || width - termWidth - 4 >= narrowest) return beside
    return `  ${term}\n${indent(this.boxWrap(description, width - 6), 6)}`
  },
  formatHelp(command, helper) {
    const width = this.helpWidth ?? 80
    const list = examplesOf(command)
    const first = list.length > 0 ? `Examples:\n${exampleLines(list, width).join('\n')}\n\n` : ''
    const last = [...unitsOf(this.visibleOptions(command)), ...noteOf(command)].map(text => `${wrap(text, width)}\n`)
    const body = Help.prototype.formatHelp.call(this, command, helper)
    return `${first}${body}${last.length > 0 ? `\n${last.join('')}` : ''}`
  },
}

/** The form of `--help`: the frequent options, under one heading. */
export const shortForm: HelpConfiguration & ThisType<Help> = {
  ...form,
  visibleOptions(command) {
    const all = Help.prototype.visibleOptions.call(this, command)
    return isLong(command) ? all.filter(option => shownFirst.has(option) || option.long === '--help') : all
  },
  groupItems(items, visible, groupOf) {
    return Help.prototype.groupItems.call(this, items, visible, item =>
      item instanceof Option ? 'Options:' : groupOf(item as never),
    ) as never
  },
}

/** Adds `--help-all` to the commands, and to theirs, whose `--help` does not show everything. */
export function addHelpAll(command: Command): Command {
  for (const each of command.commands) addHelpAll(each)
  if (!isLong(command)) return command
  command.addOption(frequent(new Option('--help-all', `show all ${command.options.length + 2} options`)))
  return command.on('option:help-all', () => {
    command.configureHelp(form).outputHelp()
    throw new CommanderError(0, 'commander.help', '(outputHelp)')
  })
}

/** Prints the help of the program, and then that of each command with all its options. */
export function outputAllHelp(program: Command): void {
  program.outputHelp()
  for (const command of program.commands) {
    program.configureOutput().writeOut?.(`\n--- ${command.name()} ---\n\n`)
    command.configureHelp(form).outputHelp()
  }
}

function isLong({ options }: Command): boolean {
  return options.some(option => shownFirst.has(option))
}

/** The meaning stands beside its line, or below if there is no room. */
function exampleLines(list: readonly Example[], width: number): string[] {
  const fits = ({ line, meaning = '' }: Example, column: number) =>
    meaning !== '' && line.length <= column && 4 + column + meaning.length <= width
  const columns = list.map(({ line }) => line.length).sort((a, b) => b - a)
  const column =
    columns.find(each =>
      list.every(example => example.line.length > each || !example.meaning || fits(example, each)),
    ) ?? 0
  return list.flatMap(example => {
    const { line, meaning } = example
    if (fits(example, column)) return [`  ${line.padEnd(column)}  ${meaning}`]
    return [
      ...continued(line, width - 2).map(each => `  ${each}`),
      ...(meaning ? [indent(wrap(meaning, width - 6), 6)] : []),
    ]
  })
}

/** A command line in lines of this width, which the shell takes as one. An option stays beside its value. */
export function continued(line: string, width: number): string[] {
  if (line.length <= width) return [line]
  const parts = line.match(/(?:-{1,2}[\w-]+ (?!-))?(?:[^\s'"]|'[^']*'|"[^"]*")+/g) ?? []
  const lines: string[] = []
  let current = ''
  for (const part of parts) {
    const next = current === '' ? part : `${current} ${part}`
    if (current !== '' && next.length + 2 > width) {
      lines.push(`${current} \\`)
      current = `  ${part}`
    } else current = next
  }
  return [...lines, current]
}

/** Lines of a term and a text, as in the help. */
export function items(rows: readonly (readonly [term: string, text: string])[], width: number): string {
  const helper = Object.assign(new Help(), form, { helpWidth: Math.min(width, widest) })
  const termWidth = Math.max(...rows.map(([term]) => term.length))
  return rows.map(([term, text]) => helper.formatItem(term, termWidth, text, helper)).join('\n')
}

function indent(text: string, columns: number): string {
  return text.replace(/^/gm, ' '.repeat(columns))
}
