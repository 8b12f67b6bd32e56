/** The line of a syntax error in an ES module, which Node.js reports to nobody who catches the error. */
import { readFileSync } from 'node:fs'
import { Script } from 'node:vm'
import { placeOf } from '../text/blame.js'

/**
 * Returns the place of a syntax error with this message, as `file:line`. Compiles the module as a script, without what
 * only a module may contain. Undefined if that gives another error: then the place is unknown, as in another file.
 */
export function syntaxPlace(path: string, message: string): string | undefined {
  const script = `'use strict';${asScript(readFileSync(path, 'utf8'))}`
  for (const code of [script, `(async () => {${script}\n})`]) {
    try {
      new Script(code, { filename: path })
    } catch (error) {
      if ((error as Error).message === message) return placeOf(error)
    }
  }
  return undefined
}

/** Removes imports and exports, and keeps every line at its number. */
function asScript(source: string): string {
  const blank = (text: string) => text.replace(/[^\n]/g, ' ')
  return source
    .replace(/^#!.*/, '')
    .replace(/^\s*import\b(?!\s*[.(])[^;'"]*(['"]).*?\1;?/gm, blank)
    .replace(/^(\s*)export\s+default\b/gm, '$1default_ =')
    .replace(/^(\s*)export\s+(?=(?:async|function|class|const|let|var)\b)/gm, '$1')
    .replace(/^\s*export\s*(?:\{[^}]*\}|\*)[^;\n]*;?/gm, blank)
    .replace(/\bimport\.meta\b/g, 'import_meta')
}
