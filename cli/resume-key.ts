/** The key by which a sender recognizes its transfers of an earlier run. */
import { randomBytes } from 'node:crypto'
import { link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { errorCode, errorMessage } from '../lib/text/errors.js'
import type { Logger } from './log.js'

const keyBytes = 32

/** Returns the key of this user in hex; makes one if there is none. Without one, transfers do not survive the sender. */
export async function resumeKey(
  log: Pick<Logger, 'debug'>,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string | undefined> {
  const folder = stateFolder(env)
  if (folder === undefined) {
    log.debug('no home folder: a transfer that is started again begins anew')
    return undefined
  }
  const path = join(folder, 'tcp-pipe', 'key')
  try {
    const key = await readFile(path).catch(error => {
      if (errorCode(error) === 'ENOENT') return make(path)
      throw error
    })
    if (key.length === keyBytes) return key.toString('hex')
    throw new Error(`it has ${key.length} bytes, not ${keyBytes}`)
  } catch (error) {
    log.debug({ key: path, error: errorMessage(error) }, 'no key: a transfer that is started again begins anew')
    return undefined
  }
}

/** The XDG base directory for state. A relative one is not valid there. */
function stateFolder({ XDG_STATE_HOME: base = '', HOME: home = '' }: NodeJS.ProcessEnv): string | undefined {
  if (isAbsolute(base)) return base
  return isAbsolute(home) ? join(home, '.local', 'state') : undefined
}

/** Two processes may make it at the same time: the first one wins, and the file is whole from its beginning. */
async function make(path: string): Promise<Buffer> {
  const own = `${path}.${randomBytes(8).toString('hex')}`
  await mkdir(join(path, '..'), { recursive: true, mode: 0o700 })
  await writeFile(own, randomBytes(keyBytes), { mode: 0o600, flag: 'wx' })
  try {
    await link(own, path).catch(error => {
      if (errorCode(error) !== 'EEXIST') throw error
    })
  } finally {
    await unlink(own)
  }
  return readFile(path)
}
