/** Log lines that no peer can forge: what our own loggers do with every line. */
import type { LogFn, Logger } from 'pino'

/**
 * For pino's `hooks`. A stage may log an object that its peer has chosen. One with keys that the line has already would
 * pass for another line, or for another peer's: it is put under one key.
 */
export function logMethod(this: Logger, [fields, ...rest]: Parameters<LogFn>, method: LogFn): void {
  const isForged = isPlain(fields) && takenKeys(this).some(key => key in fields)
  method.apply(this, [isForged ? { fields } : fields, ...rest])
}

function takenKeys(log: Logger): string[] {
  return ['level', 'time', 'msg', ...Object.keys(log.bindings())]
}

function isPlain(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !(value instanceof Error)
}
