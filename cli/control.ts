/** The control sockets of running servers: where they are, and what `--control` opens. */
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, type Stats, statSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { type Controlled, control } from '../lib/control.js'
import type { Server } from '../lib/index.js'
import { aboutUs } from './about.js'
import type { ControlChoice } from './control-option.js'
import type { Logger } from './log.js'
import { notOurs } from './own-folder.js'

/** Opens the control socket of a server that is about to listen. It is removed when the server or the process ends. */
export async function openControl(
  choice: Exclude<ControlChoice, false>,
  server: Promise<Controlled>,
  log: Logger,
): Promise<Server> {
  const address = choice === true ? ({ scheme: 'unix', path: ownPath() } as const) : choice
  if (choice === true) prepareFolder(dirname(address.path))
  else checkFolder(dirname(address.path), statSync)
  const controller = await control(server, { listen: address, about: aboutUs() })
  const remove = () => void controller.close({ drain: 0 }) // unlinks at once
  process.once('exit', remove)
  void controller.closed.then(() => process.off('exit', remove))
  log.info({ control: `unix:${address.path}` }, 'control socket')
  return controller
}

function ownPath(): string {
  return join(runtimeFolder(), `${process.pid}.sock`)
}

/** The folder of the sockets: of the user alone. */
export function runtimeFolder(env: NodeJS.ProcessEnv = process.env): string {
  const base = sessionFolder(env)
  if (base !== undefined) return join(base, 'tcp-pipe')
  return join(tmpdir(), `tcp-pipe-${process.getuid?.() ?? userInfo().username}`)
}

/** The folder that the session of the user has, if there is one. */
function sessionFolder({ XDG_RUNTIME_DIR: base = '' }: NodeJS.ProcessEnv): string | undefined {
  return isAbsolute(base) && existsSync(base) ? base : undefined
}

/** The paths of the sockets in the runtime folder, also those that dead processes have left behind. */
export function knownSockets(folder = runtimeFolder()): string[] {
  if (!existsSync(folder)) return []
  checkFolder(folder, lstatSync)
  const isSocket = (path: string) => lstatSync(path, { throwIfNoEntry: false })?.isSocket()
  return readdirSync(folder)
    .map(name => join(folder, name))
    .filter(path => path.endsWith('.sock') && isSocket(path))
}

function prepareFolder(folder: string): void {
  if (sessionFolder(process.env) !== undefined) checkFolder(dirname(folder), statSync)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  checkFolder(folder, lstatSync)
  chmodSync(folder, 0o700)
}

/**
 * Another user could replace a socket in a folder that this user may write to, and serve its clients.
 *
 * @throws a system error, which exits with 1: no word of the command line is wrong
 */
function checkFolder(folder: string, stat: (path: string) => Stats): void {
  const why = notOurs(stat(folder))
  if (why) throw Object.assign(new Error(`the control socket cannot be in ${folder}: ${why}`), { code: 'EACCES' })
}
