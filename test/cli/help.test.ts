import { Command, Option } from 'commander'
import t from 'tap'
import { commands } from '../../cli/commands.js'
import { addHelpAll, continued, frequent, group, shortForm, unitsOf, withExamples, withNote } from '../../cli/help.js'
import { createProgram, makeCommands } from '../../cli/main.js'
import { cli, launch, missing, onTerminal } from '../e2e/support.js'

/** What a command prints for these words on a terminal of this width. */
async function printed(words: readonly string[], width: number, given?: Command): Promise<string> {
  const program = given ?? createProgram('1.0.0', await makeCommands(commands))
  let output = ''
  const configure = (command: Command): void => {
    command.configureOutput({
      getOutHelpWidth: () => width,
      writeOut: text => {
        output += text
      },
    })
    command.commands.forEach(configure)
  }
  configure(program)
  t.throws(() => program.parse(words, { from: 'user' }), { code: /^commander\.help/, exitCode: 0 })
  return output
}

const names = commands.map(({ name }) => name)
/** The commands with more options than a screen has room for. */
const long = ['serve', 'send', 'proxy', 'pipe', 'check']
const pages = ['--help', '--help-all'].flatMap(flag => long.map(command => [command, flag]))

t.test('--help of every command is one screen of at most 40 lines of 80 columns', async t => {
  for (const name of names) {
    const lines = (await printed([name, '--help'], 80)).split('\n')
    t.ok(lines.length <= 41, `${name}: ${lines.length - 1} lines`)
    for (const line of lines) t.ok(line.length <= 80, line)
  }
})

t.test('--help-all shows every option once, under the heading of its group', async t => {
  for (const command of createProgram('1.0.0', await makeCommands(commands)).commands.filter(each =>
    long.includes(each.name()),
  )) {
    const page = await printed([command.name(), '--help-all'], 80)
    for (const { flags, helpGroupHeading = 'Options:' } of command.options) {
      const at = page.indexOf(`\n  ${flags}`)
      t.ok(at > 0 && page.indexOf(`\n  ${flags} `, at + 1) < 0, `${command.name()} ${flags}`)
      t.equal([...page.slice(0, at).matchAll(/^\S.*:$/gm)].at(-1)?.[0], helpGroupHeading, flags)
    }
  }
})

t.test('the short help says how many options the other one shows', async t => {
  for (const name of long) {
    const all = (await printed([name, '--help-all'], 80)).match(/^ {2}-.*/gm)?.length
    t.match(await printed([name, '--help'], 80), `show all ${all} options`)
  }
})

t.test('50 columns: no line is longer, no word is broken, no text is lost', async t => {
  const words = (text: string) => text.split(/\s+/).filter(word => word !== '\\')
  for (const page of [['--help'], ...names.map(name => [name, '--help']), ...pages]) {
    const narrow = await printed(page, 50)
    for (const line of narrow.split('\n')) t.ok(line.length <= 50, `${page.join(' ')}: ${line}`)
    t.same(words(narrow), words(await printed(page, 100)), page.join(' '))
  }
})

t.test('the unit of a bare number is said where an option takes one', async t => {
  const time = 'A time is a number of seconds'
  const size = 'A size is a number of bytes'
  t.match(await printed(['serve', '--help'], 80), time)
  for (const name of ['serve', 'send', 'proxy'])
    for (const unit of [time, size]) t.match(await printed([name, '--help-all'], 80), unit)
  t.notMatch(await printed(['transforms', '--help'], 80), /A time|A size/)
  t.equal(unitsOf([new Option('--wait <time>'), new Option('--idle <time>'), new Option('-x <n>')]).length, 1)
})

t.test('a command gets its help from its definition alone', async t => {
  const program = new Command('tcp-pipe').configureHelp(shortForm).exitOverride()
  const command = withNote(new Command('own').copyInheritedSettings(program), 'Note well.')
    .addOption(frequent(new Option('--often', 'used often')))
    .addOption(group('Rare:', [new Option('--seldom <bytes>', 'used seldom')])[0] as Option)
  withExamples(command, [['own a', 'does it'], ['own b']])
  program.addCommand(addHelpAll(command))
  program.addCommand(addHelpAll(new Command('plain').copyInheritedSettings(program).option('--only', 'one')))
  const [short, all] = [
    await printed(['own', '--help'], 80, program),
    await printed(['own', '--help-all'], 80, program),
  ]
  t.match(short, /^Examples:\n {2}own a {2}does it\n {2}own b\n\nUsage: tcp-pipe own/)
  t.match(short, '--often')
  t.notMatch(short, '--seldom')
  t.match(short, 'show all 4 options')
  t.match(all, /\nRare:\n {2}--seldom <bytes> {2}used seldom\n\nA size is.*\nNote well\.\n$/)
  t.match(short, /\n\nNote well\.\n$/)
  t.match(await printed(['plain', '--help'], 80, program), '--only')
  t.notMatch(await printed(['plain', '--help'], 80, program), '--help-all')
})

t.test(
  'a long example continues on the next line, as the shell takes it, with each option beside its value',
  async t => {
    t.same(continued('short', 20), ['short'])
    t.same(continued("tcp-pipe proxy 1 2 -t 'throttle rate=64k' --once -r hex", 30), [
      'tcp-pipe proxy 1 2 \\',
      "  -t 'throttle rate=64k' \\",
      '  --once -r hex',
    ])
  },
)

t.test('--help-all of the program shows every command with all its options', async t => {
  const { code, stderr, stdout } = await launch(t, process.execPath, [cli, '--help-all'], {}).ended
  t.same([code, stderr], [0, ''])
  const page = String(stdout)
  for (const command of createProgram('1.0.0', await makeCommands(commands)).commands) {
    const [, section = ''] = page.split(`--- ${command.name()} ---\n`)
    for (const { flags } of command.options) t.ok(section.includes(`\n  ${flags}`), `${command.name()} ${flags}`)
  }
  t.match(await printed(['--help'], 80), 'tcp-pipe --help-all')
  t.match(String((await launch(t, process.execPath, [cli, 'nc', '--help-all'], {}).ended).stdout), 'Usage: tcp-pipe nc')
  const faults = ["unknown option '--help-all'; --help shows all options of this command"]
  t.equal((await launch(t, process.execPath, [cli, 'transforms', '--help-all'], { faults }).ended).code, 2)
})

t.test('--help-all is like --help: exit 0, stdout, a closed pipe', async t => {
  const { code, stderr, stdout } = await launch(t, process.execPath, [cli, 'serve', '--help-all'], {}).ended
  t.same([code, stderr], [0, ''])
  t.match(String(stdout), '--half-closed-timeout')
})

t.test('the help fits a terminal of 50 columns', { skip: missing('script') }, async t => {
  const { stdout } = await onTerminal(t, 'stty cols 50; tcp-pipe serve --help').ended
  const lines = String(stdout).split('\r\n')
  t.ok(lines.length > 40)
  for (const line of lines) t.ok(line.length <= 50, line)
})
