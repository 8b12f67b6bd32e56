/** What can be completed, from the definitions of the commands and of the transforms. The shells differ only in form. */
import { type Argument, type Command, Help, type Option } from 'commander'
import type { Definition } from '../../lib/stages/define.js'
import { valueName } from '../help.js'

/** What may stand at a place. The name of a value says it: `<file>`, `<spec>`, `[transform]`, `[command]`. */
export type Kind = 'none' | 'words' | 'files' | 'stages' | 'transform'

export interface Values {
  readonly name: string
  readonly kind: Kind
  /** For the kind `words`. */
  readonly words: readonly string[]
}

export interface OptionModel {
  /** `-t` and `--transform`. */
  readonly names: readonly string[]
  readonly summary: string
  /** Whether a value follows. */
  readonly takes: 'nothing' | 'optional' | 'required'
  readonly values: Values
}

export interface ArgumentModel extends Values {
  /** Whether all further words are such values. */
  readonly isLast: boolean
}

export interface Named {
  readonly name: string
  readonly summary: string
}

export interface CommandModel {
  /** The words after the program's name, joined by blanks. Empty for the program itself. */
  readonly path: string
  readonly commands: readonly Named[]
  readonly options: readonly OptionModel[]
  readonly arguments: readonly ArgumentModel[]
}

export interface StageOption extends Named {
  /** What it takes, if that is fixed. */
  readonly words: readonly string[]
  readonly isFile: boolean
  readonly isPositional: boolean
}

export interface StageModel extends Named {
  readonly options: readonly StageOption[]
  /** Whether a program and its arguments follow. */
  readonly isProgram: boolean
}

export interface Model {
  readonly program: string
  readonly commands: readonly CommandModel[]
  readonly stages: readonly StageModel[]
}

/** Describes the program with all commands, and the transforms that `-t` takes. */
export function modelOf(program: Command, transforms: readonly Definition[]): Model {
  return { program: program.name(), commands: commandsOf(program, '', []), stages: transforms.map(stageOf) }
}

function commandsOf(command: Command, path: string, siblings: readonly string[]): CommandModel[] {
  const help = new Help()
  const visible = help.visibleCommands(command)
  const names = command.commands.map(each => each.name())
  const own: CommandModel = {
    path,
    commands: visible.map(each => ({ name: each.name(), summary: help.subcommandDescription(each) })),
    options: help.visibleOptions(command).map(optionOf),
    arguments: command.registeredArguments.map(each => argumentOf(each, siblings)),
  }
  return [own, ...visible.flatMap(each => commandsOf(each, `${path} ${each.name()}`.trim(), names))]
}

function optionOf(option: Option): OptionModel {
  const { short, long, description, required, optional, argChoices } = option
  return {
    names: [short, long].flatMap(name => name ?? []),
    summary: description,
    takes: required ? 'required' : optional ? 'optional' : 'nothing',
    values: valuesOf(valueName(option) ?? '', argChoices),
  }
}

/** `help [command]` takes the names of the commands beside it. */
function argumentOf(argument: Argument, commands: readonly string[]): ArgumentModel {
  const name = argument.name()
  const choices = argument.argChoices ?? (name === 'command' ? commands : undefined)
  return { ...valuesOf(name, choices), isLast: argument.variadic }
}

function valuesOf(name: string, choices: readonly string[] | undefined): Values {
  if (choices) return { name, kind: 'words', words: choices }
  const kinds: Record<string, Kind> = { file: 'files', files: 'files', spec: 'stages', transform: 'transform' }
  return { name, kind: kinds[name] ?? 'none', words: [] }
}

function stageOf({ name, summary, options = {} }: Definition): StageModel {
  const named = Object.entries(options).filter(([, option]) => !option.rest)
  return {
    name,
    summary,
    isProgram: named.length < Object.keys(options).length,
    options: named.map(([key, option]) => ({
      name: key,
      summary: option.summary,
      words: option.words ?? [],
      isFile: key === 'file',
      isPositional: option.positional,
    })),
  }
}
