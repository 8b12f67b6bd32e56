/** The commands: one table. A command is loaded when its words are parsed; the others only stand in the help. */
import type { Command } from 'commander'

export interface CommandEntry {
  readonly name: string
  /** What may follow the name, as the help of the program shows it. */
  readonly operands: string
  readonly summary: string
  load(): Promise<Command>
}

/** In the order of the help. */
export const commands: readonly CommandEntry[] = [
  {
    name: 'serve',
    operands: '[options] [address]',
    summary: 'accept connections and pipe them through transforms to stdout, files, an address or back',
    load: async () => (await import('./serve.js')).serveCommand(),
  },
  {
    name: 'send',
    operands: '[options] [files...]',
    summary: 'send files or stdin through transforms to an address; print the reply',
    load: async () => (await import('./send.js')).sendCommand(),
  },
  {
    name: 'proxy',
    operands: '[options] [listen] [target]',
    summary: 'stand between clients and a server, with transforms in each direction',
    load: async () => (await import('./proxy.js')).proxyCommand(),
  },
  {
    name: 'pipe',
    operands: '[options] <from>',
    summary: 'move data from any end to any other: files, addresses, listeners, stdin and stdout',
    load: async () => (await import('./pipe.js')).pipeCommand(),
  },
  {
    name: 'check',
    operands: '[options] <addresses...>',
    summary: 'tell whether addresses are open; show the certificate of tls:// and the banner',
    load: async () => (await import('./check.js')).checkCommand(),
  },
  {
    name: 'top',
    operands: '[options] [address]',
    summary: 'watch the connections of a server that runs with --control',
    load: async () => (await import('./top.js')).topCommand(),
  },
  {
    name: 'transforms',
    operands: '[options] [transform]',
    summary: 'list the transforms, or show one in detail',
    load: async () => (await import('./transforms.js')).transformsCommand(),
  },
  {
    name: 'explain',
    operands: '[options]',
    summary: 'show what serve, send, proxy, pipe or nc would do with the same words',
    load: async () => (await import('./explain.js')).explainCommand(),
  },
  {
    name: 'completion',
    operands: '<shell>',
    summary: 'print a script that completes command lines in a shell',
    load: async () => (await import('./completion.js')).completionCommand(),
  },
  {
    name: 'nc',
    operands: '[words...]',
    summary: 'take the command line of OpenBSD nc',
    load: async () => (await import('./nc.js')).ncCommand(),
  },
]
