/** The programs of others that tests talk to: whether they are installed, and how they run. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { dial, launch, type Options, type Process } from './support.js'

/** A program that runs on, with its stdin open; what it writes to stderr is its own affair. */
export function runs(t: Test, command: string, args: readonly string[], options?: Options): Process {
  return launch(t, command, args, { input: null, faults: null, timeout: 60_000, ...options })
}

/** What a program prints that must succeed. */
export async function output(t: Test, command: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await launch(t, command, args, { faults: null }).ended
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${code}; ${stderr}`)
  return String(stdout)
}

/** Servers are not in everybody's PATH. */
export function program(name: string): string | undefined {
  const versions = '/usr/lib/postgresql'
  const postgres = existsSync(versions) ? readdirSync(versions).map(version => join(versions, version, 'bin')) : []
  const path = [...(process.env.PATH ?? '').split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin']
  return [...postgres, ...path].map(folder => join(folder, name)).find(file => existsSync(file))
}

/** The reason to skip: the first of them that is not there. */
export function lacks(...names: string[]): string | false {
  const absent = names.find(name => !program(name))
  return absent === undefined ? false : `${absent} is not installed`
}

/** Waits until somebody listens on a port. */
export async function answers(t: Test, port: number): Promise<void> {
  for (const end = Date.now() + 10_000; Date.now() < end; await new Promise(resolve => setTimeout(resolve, 20))) {
    const socket = await dial(t, port).catch(() => undefined)
    if (socket) return void socket.destroy()
  }
  throw new Error(`nobody listens on port ${port}`)
}

const streamModule = ['/usr/lib/nginx/modules', '/usr/lib64/nginx/modules']
  .map(folder => join(folder, 'ngx_stream_module.so'))
  .find(file => existsSync(file))

/** The module of nginx for TCP: how its settings load it, or the reason to skip. */
export const nginxStream = {
  missing: streamModule ? false : "nginx's stream module is not installed",
  load: `load_module ${streamModule};`,
} as const
