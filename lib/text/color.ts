/** Whether a stream shows colours. */
import type { WriteStream } from 'node:tty'

/** `NO_COLOR` before `FORCE_COLOR` before what the terminal has. An empty variable counts as unset. */
export function hasColor(stream: Partial<Pick<WriteStream, 'hasColors'>>, env: NodeJS.ProcessEnv): boolean {
  const { NO_COLOR, FORCE_COLOR } = env
  if (NO_COLOR) return false
  if (FORCE_COLOR) return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false'
  // Node also heeds variables that are empty.
  return stream.hasColors?.({ ...env, NO_COLOR: undefined, FORCE_COLOR: undefined }) ?? false
}
