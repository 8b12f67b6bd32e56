/** Facts about the running command. */
import { quote } from './quote.js'

/** Its command line, without the token, which those that may see the line need not know. */
export function aboutUs(): { name: string; pid: number; command: string } {
  const words = process.argv.slice(2)
  const shown = words.map((word, i) => (words[i - 1] === '--ui-token' ? '…' : word.replace(/^(--ui-token=).*/s, '$1…')))
  return { name: words[0] ?? '', pid: process.pid, command: `tcp-pipe ${quote(shown)}` }
}
