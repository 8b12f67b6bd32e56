/** Prevents peers from forging log lines. */
import type { LogFn, Logger } from 'pino'

/**
 * For pino's `hooks`. A stage may log an object that its peer has chosen. If its keys would replace fields of the line,
 * the object is nested under one key.
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
