/** `tcp-pipe transforms`: the list, one in detail, and the page of documentation, all from the transforms themselves. */
import { Argument, Command } from 'commander'
import { type Definition, groups } from '../lib/stages/define.js'
import { isModulePath, loadModule } from '../lib/stages/modules.js'
import { didYouMean, TcpPipeError } from '../lib/text/errors.js'
import { type Option, text } from '../lib/text/options.js'

const units = {
  bytes: 'bytes, in chunks',
  line: 'lines of UTF-8 text (other bytes become U+FFFD)',
  json: 'JSON values',
}

export function transformsCommand(): Command {
  return new Command('transforms')
    .summary('list the transforms, or show one in detail')
    .description('Lists the transforms; with a name, shows its options, defaults and an example.')
    .addArgument(new Argument('[name]', 'the transform to show; ./file.js is one of your own'))
    .option('--markdown', 'all of them, as a page of documentation')
    .action(async (name: string | undefined, { markdown }: { markdown?: boolean }) => {
      const all = await definitions()
      process.stdout.write(markdown ? page(all) : name === undefined ? list(all) : detail(await find(all, name)))
    })
}

/** All definitions, by name. */
async function definitions(): Promise<Definition[]> {
  const { registry } = await import('../transforms/spec.js')
  return Object.values(registry)
    .map(({ definition }) => definition)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

async function find(all: readonly Definition[], name: string): Promise<Definition> {
  if (isModulePath(name)) return { ...(await loadModule(name)).definition, name }
  const found = all.find(definition => definition.name === name)
  if (found) return found
  const hint =
    didYouMean(
      name,
      all.map(definition => definition.name),
    ) || "; 'tcp-pipe transforms' lists them"
  throw new TcpPipeError('ERR_OPTION', `unknown transform '${name}'${hint}`)
}

function list(all: readonly Definition[]): string {
  const width = Math.max(...all.map(definition => brief(definition).length))
  const parts = byGroup(all).map(([group, members]) => {
    const rows = members.map(definition => [brief(definition).padEnd(width), definition.summary] as const)
    return `${capital(group)}:\n${table(rows)}`
  })
  return `${parts.join('\n\n')}\n\nOne in detail: tcp-pipe transforms NAME\n`
}

function byGroup(all: readonly Definition[]): (readonly [string, Definition[]])[] {
  return groups.map(group => [group, all.filter(definition => definition.group === group)] as const)
}

function detail(definition: Definition): string {
  const { name, summary, unit, notes, example } = definition
  const options = optionRows(definition)
  return [
    `${name}: ${summary}`,
    `\nUsage: ${usage(definition)}`,
    `Works on: ${units[unit]}`,
    options.length > 0 ? `\nOptions:\n${table(options)}` : 'Options: none',
    notes ? `\n${wrap(notes)}` : '',
    example ? `\nExample:\n${exampleText(example)}` : '',
  ]
    .filter(Boolean)
    .join('\n')
    .concat('\n')
}

function page(all: readonly Definition[]): string {
  const sections = byGroup(all).map(
    ([group, members]) => `## ${capital(group)}\n\n${members.map(section).join('\n\n')}`,
  )
  return `# Transforms\n\n<!-- Made by \`npm run docs\` from the transforms themselves. -->\n\n${sections.join('\n\n')}\n`
}

function section(definition: Definition): string {
  const { name, summary, unit, notes, example } = definition
  const rows = Object.entries(definition.options ?? {}).map(
    ([key, option]) => `| \`${key}\` | ${cell(option.summary)} | ${cell(option.allowed)} | ${cell(fallback(option))} |`,
  )
  return [
    `### ${name}`,
    `${capital(summary)}. Works on ${units[unit]}.`,
    `\`\`\`\n${usage(definition)}\n\`\`\``,
    rows.length > 0 ? `| option | meaning | allowed | default |\n| --- | --- | --- | --- |\n${rows.join('\n')}` : '',
    notes ?? '',
    example ? `Example:\n\n\`\`\`\n${exampleText(example)}\n\`\`\`` : '',
  ]
    .filter(Boolean)
    .join('\n\n')
}

/** `grep PATTERN`: without the options that have names. */
function brief({ options = {}, ...definition }: Definition): string {
  const positional = Object.entries(options).filter(([, option]) => option.positional)
  return usage({ ...definition, options: Object.fromEntries(positional) })
}

/** `grep PATTERN [invert=…]`. */
function usage({ name, options = {} }: Definition): string {
  const words = Object.entries(options).map(([key, { positional, required, rest }]) => {
    const word = rest ? `${key.toUpperCase()}…` : positional ? key.toUpperCase() : `${key}=…`
    return required ? word : `[${word}]`
  })
  return [name, ...words].join(' ')
}

function optionRows({ options = {} }: Definition): (readonly [string, string])[] {
  return Object.entries(options).map(([key, option]) => {
    const preset = option.default === undefined ? fallback(option) : `default ${fallback(option)}`
    const details = [option.allowed === anyText ? '' : option.allowed, preset].filter(Boolean).join('; ')
    const name = option.rest ? `${key.toUpperCase()}…` : `${key}=`
    return [name, details ? `${option.summary} (${details})` : option.summary] as const
  })
}

/** What goes without saying. */
const anyText = text('').allowed

/** What there is if it is not given; nothing if its absence means something of its own, which the summary tells. */
function fallback(option: Option): string {
  if (option.required) return 'required'
  return option.default === undefined ? '' : option.format(option.default)
}

function exampleText({ spec, input, output }: NonNullable<Definition['example']>): string {
  return `${spec}\n  takes  ${JSON.stringify(input)}\n  gives  ${JSON.stringify(output)}`
}

function table(rows: (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([first]) => first.length))
  return rows.map(([first, second]) => `  ${first.padEnd(width)}  ${second}`).join('\n')
}

/** Each paragraph by itself; a block of code stays as it is. */
function wrap(text: string): string {
  const paragraphs = text.split('\n\n')
  return paragraphs.map(each => (each.startsWith('```') ? indented(each) : wrapped(each))).join('\n\n')
}

function wrapped(paragraph: string): string {
  return paragraph.replace(/(.{1,80})(?:\s+|$)/g, '$1\n').trimEnd()
}

function indented(block: string): string {
  return block.replace(/^```\n|\n```$/g, '').replace(/^/gm, '  ')
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
