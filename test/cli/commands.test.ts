import t from 'tap'
import { commands } from '../../cli/commands.js'
import { asksFor, createProgram, makeCommands } from '../../cli/main.js'

t.test('the help of the program is the same whether a command is loaded or only named', async t => {
  const help = async (isLoaded: boolean): Promise<string> =>
    createProgram('1.0.0', await makeCommands(commands, () => isLoaded)).helpInformation()
  t.equal(await help(false), await help(true))
})

t.test('only the command that the words ask for is loaded', async t => {
  const asked = async (...argv: string[]): Promise<string[]> =>
    (await makeCommands(commands, name => asksFor(argv, name)))
      .filter(command => command.options.length > 0 || command.commands.length > 0)
      .map(command => command.name())
  t.same(await asked(), [])
  t.same(await asked('--help'), [])
  t.same(await asked('serve', 'send'), ['serve'])
  t.same(await asked('help', 'send'), ['send'])
  t.same(await asked('explain', 'send'), ['explain'])
  t.ok((await asked('completion', 'bash')).length > 5)
})
