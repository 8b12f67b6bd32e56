/** What to do about an error, in a few words. */

const byCode: Record<string, string> = {
  ECONNREFUSED: 'start the server, or check the address',
  ECONNRESET: 'the log of the peer may say why',
  EPIPE: 'the log of the peer may say why',
  ETIMEDOUT: 'check the address and the network',
  EHOSTUNREACH: 'check the address and the network',
  ENETUNREACH: 'check the address and the network',
  ENOTFOUND: 'check the name',
  EAI_AGAIN: 'check the network, or try again later',
  EADDRINUSE: 'stop the program that uses it, or choose another port',
  EADDRNOTAVAIL: 'choose an address of this host',
  EACCES: 'choose another place, or get the permission',
  ENOENT: 'check the name',
  ENOSPC: 'free some space',
  EDQUOT: 'free some space',
  EMFILE: 'raise the limit of open files with ulimit -n',
  ERR_LIMIT: 'a higher limit allows it',
  ERR_RECORD_TOO_LONG: 'a higher limit allows it',
  ERR_TARGET: 'the log of the target may say why',
}

const byTimeout: Record<string, string> = { duration: '--max-duration', wait: '--wait' }

/** Returns the advice for an error code, or for the timeout that expired; undefined if there is none. */
export function adviceFor(code: unknown, timeout?: unknown): string | undefined {
  if (typeof timeout === 'string') return `${byTimeout[timeout] ?? `--${timeout}-timeout`} changes this time`
  return typeof code === 'string' && Object.hasOwn(byCode, code) ? byCode[code] : undefined
}

/** `message; advice`. */
export function withAdvice(message: string, code: unknown, timeout?: unknown): string {
  const advice = adviceFor(code, timeout)
  return advice === undefined ? inWords(message) : `${inWords(message)}; ${advice}`
}

/** Replaces the names of system calls that do not say what is wrong. */
export function inWords(message: string): string {
  return message
    .replace(/getaddrinfo (ENOTFOUND) (\S+)/g, "the host '$2' is not found ($1)")
    .replace(/getaddrinfo (EAI_AGAIN) (\S+)/g, "the host '$2' cannot be looked up ($1)")
}
