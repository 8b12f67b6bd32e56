/** Log lines that no peer can forge: what our own loggers do with every line. */
import { writeSync } from 'node:fs'
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

/** On stderr, synchronous, so that no line is lost at an exit; a stderr that is full or gone is no reason to fail. */
export function writeLine(line: string): void {
  try {
    writeSync(2, line)
  } catch {
    // there is nowhere left to tell it
  }
}
