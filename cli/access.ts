/** The rules of `--allow`, `--deny` and `--proxy-protocol`, from the command line and from files. */
import { readFile } from 'node:fs/promises'
import { parseRule } from '../lib/server/access.js'
import { errorMessage, TcpPipeError } from '../lib/text/errors.js'

type AccessOption = '--allow' | '--deny' | '--proxy-protocol'

/**
 * Reads the rules from the option's values. A value is one or more rules separated by commas or blanks, or `@file` with
 * one rule per line, where `#` begins a comment. Throws `ERR_OPTION` with file and line.
 */
export async function readRules(option: AccessOption, values: readonly string[]): Promise<string[]> {
  const rules: string[] = []
  for (const value of values)
    rules.push(...(value.startsWith('@') ? await rulesOfFile(option, value.slice(1)) : rulesOfValue(option, value)))
  return rules
}

function rulesOfValue(option: AccessOption, value: string): string[] {
  const words = value.split(',').flatMap(part => part.trim().split(/\s+/))
  return (words.includes('') ? [value] : words).map(word => checked(option, word, option))
}

async function rulesOfFile(option: AccessOption, path: string): Promise<string[]> {
  const lines = (await readLines(option, path)).map(line => line.replace(/#.*/, '').trim())
  const rules = lines.flatMap((line, i) => (line ? checked(option, line, `${option}: ${path}:${i + 1}`) : []))
  if (rules.length === 0 && option !== '--deny')
    throw new TcpPipeError('ERR_OPTION', `${option}: ${path} contains no rules; an empty list would deny everyone`)
  return rules
}

async function readLines(option: AccessOption, path: string): Promise<string[]> {
  if (path === '') throw new TcpPipeError('ERR_OPTION', `${option}: '@' is not allowed; expected '@file'`)
  try {
    return (await readFile(path, 'utf8')).split('\n')
  } catch (cause) {
    throw new TcpPipeError('ERR_OPTION', `${option}: ${path} cannot be read: ${errorMessage(cause)}`, { cause })
  }
}

/** A balancer may also be a client of a unix socket. */
function checked(option: AccessOption, rule: string, where: string): string {
  if (option !== '--proxy-protocol' || rule !== 'unix') parseRule(rule, where)
  return rule
}
