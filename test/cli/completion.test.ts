import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Argument, Command, Option } from 'commander'
import t, { type Test } from 'tap'
import { commands } from '../../cli/commands.js'
import { bashScript } from '../../cli/completion/bash.js'
import { fishScript } from '../../cli/completion/fish.js'
import { type Model, modelOf } from '../../cli/completion/model.js'
import { zshScript } from '../../cli/completion/zsh.js'
import { createProgram, makeCommands } from '../../cli/main.js'
import { definitions } from '../../cli/transforms.js'
import type { Definition } from '../../lib/stages/define.js'
import { choice, flag, text } from '../../lib/text/options.js'
import { missing, onTerminal, type Process, run } from '../e2e/support.js'

const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript }
const model = modelOf(createProgram('1.0.0', await makeCommands(commands)), await definitions())

/** A folder with the script of a shell, and with files whose names can be completed. */
function folder(t: Test, shell: keyof typeof scripts, of: Model = model): string {
  return t.testdir({ script: scripts[shell](of), 'input.bin': '', 'stage.js': '', sub: { 'cert.pem': '' } })
}

/** What bash offers for the last of the words, which may begin with a quote. */
function inBash(cwd: string, words: readonly string[]): string[] {
  const code = `source ./script; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tcp_pipe; printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout, stderr } = spawnSync('bash', ['-c', code, 'bash', 'tcp-pipe', ...words], { cwd, encoding: 'utf8' })
  t.equal(stderr, '')
  return [...new Set(stdout.split('\n').filter(Boolean))]
}

/** What fish offers for a line. */
function inFish(cwd: string, line: string): string[] {
  const code = 'source ./script; complete -C $argv[1]'
  const { stdout, stderr } = spawnSync('fish', ['-N', '-c', code, line], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, HOME: cwd },
  })
  t.equal(stderr, '')
  return stdout
    .split('\n')
    .filter(Boolean)
    .map(each => each.split('\t')[0] as string)
}

/** An interactive shell on a terminal. What completes to a command line is run, and prints its words. */
async function interactive(
  t: Test,
  shell: 'bash' | 'zsh',
  cwd: string,
): Promise<(keys: string, words: string) => Promise<Buffer>> {
  const start = { bash: 'bash --norc --noprofile -i', zsh: 'zsh -f -i' }[shell]
  const process = onTerminal(t, `cd '${cwd}'; export PS1='ready> ' HOME="$PWD"; exec ${start}`, { timeout: 60_000 })
  await process.printed('ready> ')
  const setup = { bash: '', zsh: 'autoload -U compinit; compinit -u -D; ' }[shell]
  type(process, `${setup}source ./script; tcp-pipe() { printf '<%s>' "$@"; echo; }; echo loaded $((40 + 2))\n`)
  await process.printed('loaded 42')
  return (keys, words) => {
    type(process, keys)
    return process.printed(words)
  }
}

function type({ child }: Process, keys: string): void {
  child.stdin?.write(keys)
}

t.test('the model holds every command, option and transform', async t => {
  const program = createProgram('1.0.0', await makeCommands(commands))
  for (const command of program.commands) {
    const found = model.commands.find(({ path }) => path === command.name())
    t.same(
      found?.options.flatMap(({ names }) => names).sort(),
      [
        ...command.options.flatMap(({ short, long }) => [short, long].flatMap(name => name ?? [])),
        '-h',
        '--help',
      ].sort(),
    )
  }
  t.same(
    model.stages.map(({ name }) => name),
    (await definitions()).map(({ name }) => name),
  )
  t.same(
    model.commands.find(({ path }) => path === 'help')?.arguments[0]?.words,
    program.commands.map(each => each.name()),
  )
  t.match(
    model.commands.find(({ path }) => path === 'serve')?.options.find(({ names }) => names.includes('--tls')),
    {
      takes: 'optional',
      values: { kind: 'words', words: ['auto'] },
    },
  )
})

t.test('tcp-pipe completion prints the script; another shell is refused with exit 2', async t => {
  for (const shell of ['bash', 'zsh', 'fish'] as const)
    t.equal(
      String((await run(t, ['completion', shell])).stdout),
      scripts[shell](modelOf(createProgram('0.0.0', await makeCommands(commands)), await definitions())),
    )
  t.equal(
    (await run(t, ['completion', 'ksh'], { faults: ["'ksh' is not allowed; expected bash, zsh or fish"] })).code,
    2,
  )
  t.equal((await run(t, ['completion'], { faults: ["missing required argument 'shell'"] })).code, 2)
})

t.test('bash', { skip: missing('bash') }, async t => {
  const cwd = folder(t, 'bash')
  for (const [words, expected] of [
    [['se'], ['serve', 'send']],
    [['help', 'tr'], ['transforms']],
    [['serve', '--idl'], ['--idle-timeout']],
    [['-'], ['-V', '--version', '-h', '--help']],
    [
      ['serve', '--log-format', ''],
      ['text', 'json'],
    ],
    [['serve', '--log-level', '=', 'de'], ['debug']],
    [
      ['serve', '--log-level', '='],
      ['trace', 'debug', 'info', 'warn', 'error', 'silent'],
    ],
    [['serve', '--tls', 'a'], ['auto']],
    [['serve', '0', '--cert', 'sub/'], ['sub/cert.pem']],
    [['send', 'in'], ['input.bin']],
    [['serve', 'in'], []],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [['transforms', 'gre'], ['grep']],
    [['transforms', 'grep', ''], []],
    [['transforms', './st'], ['./stage.js']],
    [['serve', '-t', 'gz'], ['gzip']],
    [
      ['serve', '-t', "'gunzip | g"],
      ['gunzip | grep', 'gunzip | gunzip', 'gunzip | gzip'],
    ],
    [
      ['serve', '-t', '"gunzip|gre'],
      ['gunzip|grep |', 'gunzip|grep pattern=', 'gunzip|grep invert='],
    ],
    [
      ['serve', '-t', "'grep x inv"],
      ['grep x invert=true', 'grep x invert=false'],
    ],
    [['serve', '-t', "'grep x invert=f"], ['grep x invert=false']],
    [
      ['serve', '-t', "'hex wid"],
      ['hex width=', 'hex width=VALUE'],
    ],
    [
      ['proxy', '1', '2', '-b', "'frame u32"],
      ['frame u32be', 'frame u32le'],
    ],
    [['serve', '-t', "'tee in"], ['tee input.bin']],
    [['serve', '-t', "'dump file=in"], ['dump file=input.bin']],
    [
      ['serve', '-t', "'exec bas"],
      ['exec bash', 'exec bashbug', 'exec basename', 'exec base64', 'exec base32', 'exec basenc'],
    ],
    [['serve', '-t', './st'], ['./stage.js']],
  ] as [string[], string[]][]) {
    const found = inBash(cwd, words)
    const wanted = words.join(' ').includes('exec') ? found.filter(each => expected.includes(each)) : expected
    t.same(
      found.filter(each => !/^exec/.test(each) || expected.includes(each)),
      wanted,
      words.join(' '),
    )
  }
  t.ok(inBash(cwd, ['serve', '-t', "'exec bas"]).includes('exec bash'))
})

t.test(
  'bash on a terminal completes in an open quote, and leaves it open',
  { skip: missing('bash') || missing('script') },
  async t => {
    const shell = await interactive(t, 'bash', folder(t, 'bash'))
    await shell(
      "tcp-pipe ser\t--idl\t5 -t 'gunz\t| gre\tpat\tx inv\tt\t\n",
      '<-t><gunzip | grep pattern=x invert=true>',
    )
    await shell('tcp-pipe sen\t--log-level=de\t-t gzi\t in\t\n', '<send><--log-level=debug><-t><gzip><input.bin>')
  },
)

t.test('zsh on a terminal', { skip: missing('zsh') || missing('script') }, async t => {
  const shell = await interactive(t, 'zsh', folder(t, 'zsh'))
  await shell(
    "tcp-pipe ser\t--idl\t5 -t 'gunz\t | gre\t x inv\tt\t'\n",
    '<serve><--idle-timeout=5><-t><gunzip | grep x invert=true>',
  )
  await shell('tcp-pipe sen\t--log-level=de\t-t gzi\t inp\t\n', '<send><--log-level=debug><-t><gzip><input.bin>')
  await shell('tcp-pipe transf\tgre\t\n', '<transforms><grep>')
  await shell(
    "tcp-pipe serve --tls a\t --cert sub/ce\t -t 'dump file=in\t\n",
    '<serve><--tls><auto><--cert><sub/cert.pem><-t><dump file=input.bin>',
  )
  await shell('tcp-pipe proxy 1 2 -b "frame u32b\t"\n', '<proxy><1><2><-b><frame u32be>')
})

t.test('fish', { skip: missing('fish') }, async t => {
  const cwd = folder(t, 'fish')
  for (const [line, expected] of [
    ['tcp-pipe ser', ['serve']],
    ['tcp-pipe help tr', ['transforms']],
    ['tcp-pipe serve --idl', ['--idle-timeout']],
    ['tcp-pipe serve --log-format ', ['json', 'text']],
    ['tcp-pipe serve --log-level=de', ['--log-level=debug']],
    ['tcp-pipe serve --tls ', ['auto']],
    ['tcp-pipe serve --cert sub/', ['sub/cert.pem']],
    ['tcp-pipe send inp', ['input.bin']],
    ['tcp-pipe serve inp', []],
    ['tcp-pipe completion ', ['bash', 'fish', 'zsh']],
    ['tcp-pipe transforms gre', ['grep']],
    ["tcp-pipe serve -t 'gunzip | gre", ['gunzip | grep']],
    ['tcp-pipe serve -t "gunzip|gre', ['gunzip|grep']],
    ["tcp-pipe serve -t 'grep x inv", ['grep x invert=']],
    ["tcp-pipe serve -t 'grep x invert=", ['grep x invert=false', 'grep x invert=true']],
    ["tcp-pipe proxy 1 2 -b 'frame u32", ['frame u32be', 'frame u32le']],
    ["tcp-pipe serve -t 'tee inp", ['tee input.bin']],
    ["tcp-pipe serve -t 'dump file=inp", ['dump file=input.bin']],
  ] as const)
    t.same(inFish(cwd, line).sort(), expected, line)
  t.ok(inFish(cwd, "tcp-pipe serve -t 'exec bas").includes('exec bash'))
})

const nasty = 'it\'s "x" $(touch hacked) `touch hacked` $HOME \\ [a]: %s *'

/** A program whose every text is what a shell could take for code. */
function nastyModel(): Model {
  const program = new Command('tcp-pipe').description(nasty)
  const command = new Command('serve')
    .summary(nasty)
    .addArgument(new Argument('[word]', nasty).choices([nasty]))
    .addOption(new Option('-x, --extra <word>', nasty).choices([nasty, 'plain']))
    .addOption(new Option('-t, --transform <spec>', nasty))
    .addOption(new Option('--flag', nasty))
  const options = {
    [nasty]: flag(nasty),
    mode: choice(nasty, [nasty, 'plain'], { positional: true }),
    name: text(nasty),
  }
  const stages = ['one', nasty].map(
    name => ({ name, summary: nasty, unit: 'bytes', options, create: () => String }) as unknown as Definition,
  )
  return modelOf(program.addCommand(command), stages)
}

t.test('no text of a definition becomes code of the shell', async t => {
  const lines = [
    "tcp-pipe serve -t 'o",
    "tcp-pipe serve -t 'one ",
    "tcp-pipe serve -t 'one mode=",
    'tcp-pipe serve --extra ',
    'tcp-pipe serve -',
    'tcp-pipe s',
    'tcp-pipe serve ',
  ]
  await t.test('bash', { skip: missing('bash') }, async t => {
    const cwd = folder(t, 'bash', nastyModel())
    t.ok(inBash(cwd, ['serve', '-t', "'one mode="]).includes(`one mode=${nasty}`))
    t.ok(inBash(cwd, ['serve', '--extra', "'"]).includes(nasty))
    for (const line of lines) inBash(cwd, line.split(' ').slice(1))
    t.notOk(existsSync(join(cwd, 'hacked')))
  })
  await t.test('fish', { skip: missing('fish') }, async t => {
    const cwd = folder(t, 'fish', nastyModel())
    t.ok(inFish(cwd, "tcp-pipe serve -t 'one mode=").some(each => each.includes('touch hacked')))
    t.ok(inFish(cwd, 'tcp-pipe serve --extra ').some(each => each.includes('touch hacked')))
    for (const line of lines) inFish(cwd, line)
    t.notOk(existsSync(join(cwd, 'hacked')))
  })
  await t.test('zsh', { skip: missing('zsh') || missing('script') }, async t => {
    const cwd = folder(t, 'zsh', nastyModel())
    const shell = await interactive(t, 'zsh', cwd)
    for (const [i, line] of lines.entries()) await shell(`${line}\t\t\x15echo done $((${i} + 1))\n`, `done ${i + 1}`)
    await shell('tcp-pipe serve --extra it\t\n', `<serve><--extra><${nasty}>`)
    t.notOk(existsSync(join(cwd, 'hacked')), readdirSync(cwd).join(' '))
  })
})

t.test('every script is one that its shell can read', async t => {
  for (const shell of ['bash', 'zsh', 'fish'] as const) {
    await t.test(shell, { skip: missing(shell) }, async t => {
      for (const of of [model, nastyModel()]) {
        const path = join(t.testdir(), 'script')
        writeFileSync(path, scripts[shell](of))
        const { status, stderr } = spawnSync(shell, ['-n', path], { encoding: 'utf8' })
        t.same([status, stderr], [0, ''])
      }
    })
  }
})
