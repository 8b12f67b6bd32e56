/** `tcp-pipe completion`: a script that completes commands, options, their values, and the stages of `-t`. */
import { Argument, Command } from 'commander'
import { bashScript } from './completion/bash.js'
import { fishScript } from './completion/fish.js'
import { modelOf } from './completion/model.js'
import { zshScript } from './completion/zsh.js'
import { withExamples } from './help.js'
import { definitions } from './transforms.js'

const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript }

export function completionCommand(): Command {
  const command = new Command('completion')
    .description('Prints a script that completes commands, options, their values, and transforms with their options.')
    .addArgument(new Argument('<shell>', `${Object.keys(scripts).join(', ')}`).choices(Object.keys(scripts)))
    .action(async (shell: keyof typeof scripts) => {
      const program = command.parent as Command
      process.stdout.write(scripts[shell](modelOf(program, await definitions())))
    })
  return withExamples(command, [
    ['source <(tcp-pipe completion bash)', 'in ~/.bashrc'],
    ['source <(tcp-pipe completion zsh)', 'in ~/.zshrc, after compinit'],
    ['tcp-pipe completion fish | source', 'in ~/.config/fish/config.fish'],
  ])
}
