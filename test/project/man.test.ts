import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, Option } from 'commander'
import t from 'tap'
import { commands } from '../../cli/commands.js'
import { withExamples } from '../../cli/help.js'
import { createProgram, makeCommands } from '../../cli/main.js'
import { definitions } from '../../cli/transforms.js'
import { missing } from '../e2e/support.js'
import { manPage, roff } from './man.js'
import { read, root } from './support.js'

const { version, man, files, scripts } = JSON.parse(read('package.json'))
const path = join(root, man[0])

/** What a reader sees of a page on a terminal of this width. */
function shown(page: string, width: number): string {
  const env = { ...process.env, MANWIDTH: String(width), MANPAGER: 'cat', LC_ALL: 'C.UTF-8' }
  const { stdout, stderr, status } = spawnSync('man', ['-l', page], { encoding: 'utf8', env })
  t.same([status, stderr], [0, ''])
  return stdout
}

t.test('man/tcp-pipe.1 is what the definitions say', async t => {
  t.equal(
    read('man/tcp-pipe.1'),
    await manPage(createProgram(version, await makeCommands(commands)), version),
    'npm run docs makes it anew',
  )
  t.match(scripts.docs, '> man/tcp-pipe.1')
})

t.test('npm installs it', async t => {
  const { stdout } = spawnSync(
    'env',
    ['-u', 'NODE_OPTIONS', 'npm', 'pack', '--dry-run', '--json', '--ignore-scripts'],
    {
      cwd: root,
      encoding: 'utf8',
    },
  )
  t.ok(JSON.parse(stdout)[0].files.some((file: { path: string }) => file.path === 'man/tcp-pipe.1'))
  t.ok(files.includes('man'))
})

t.test('npm puts it where man finds it; a single name would be ignored', async t => {
  const prefix = t.testdir({
    package: { 'cli.js': '#!/usr/bin/env node', man: { 'tcp-pipe.1': read('man/tcp-pipe.1') } },
  })
  const folder = join(prefix, 'package')
  const manifest = { name: 'tcp-pipe-page', version, man, bin: { 'tcp-pipe-page': 'cli.js' } }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  const install = ['npm', 'install', '--global', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', '.']
  const env = { ...process.env, npm_config_prefix: prefix }
  const { stderr, status } = spawnSync('env', ['-u', 'NODE_OPTIONS', ...install], {
    cwd: folder,
    encoding: 'utf8',
    env,
  })
  t.equal(status, 0, stderr)
  t.ok(existsSync(join(prefix, 'share/man/man1/tcp-pipe.1')))
})

t.test('it names every command, option and transform', async t => {
  const page = read('man/tcp-pipe.1').replaceAll('\\', '')
  const program = createProgram(version, await makeCommands(commands))
  for (const command of program.commands) {
    const [, section = ''] = page.split(`.SH TCP-PIPE ${command.name().toUpperCase()}\n`)
    for (const { long, short } of command.options)
      t.ok(section.includes(`fB${long ?? short}fR`), `${command.name()} ${long}`)
  }
  for (const { name, options = {} } of await definitions())
    for (const text of [
      `fB${name}fR`,
      ...Object.entries(options).map(([key, { rest }]) => (rest ? key.toUpperCase() : `fB${key}=fR`)),
    ])
      t.ok(page.includes(text), text)
})

t.test('mandoc finds nothing wrong with it', { skip: missing('mandoc') }, async t => {
  const { stdout } = spawnSync('mandoc', ['-T', 'lint', path], { encoding: 'utf8' })
  t.same(
    stdout.split('\n').filter(line => line && !/missing date/.test(line)),
    [],
  ) // a date would change with each build
})

t.test('man shows it, at 80 and 50 columns', { skip: missing('man') }, async t => {
  for (const width of [80, 50]) {
    const text = shown(path, width)
    for (const line of text.split('\n')) t.ok(line.length <= width, line)
    for (const part of [
      'Exit code 0',
      '--half-closed-timeout',
      'buffer-to-string',
      'EXIT STATUS',
      'TCP_PIPE_SERVE_IDLE_TIMEOUT',
    ])
      t.match(text, part)
  }
})

t.test('no text of a definition becomes a request or an escape', { skip: missing('man') }, async t => {
  t.equal(roff('.TH x'), '\\&.TH x')
  const nasty = '\'bold\\fB .so /etc/passwd "quoted" -x …'
  const command = withExamples(new Command('own').description(nasty).addOption(new Option('--own <file>', nasty)), [
    [nasty, nasty],
  ])
  const serve = createProgram(version, await makeCommands(commands)).commands.find(
    each => each.name() === 'serve',
  ) as Command
  const page = join(t.testdir(), 'page.1')
  writeFileSync(
    page,
    await manPage(new Command('tcp-pipe').description('.so x').addCommand(command).addCommand(serve), version),
  )
  const text = shown(page, 100).replace(/\s+/g, ' ')
  t.equal(text.split(nasty).length, 5) // description, option, and the example with its meaning
})
