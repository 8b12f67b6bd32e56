/** How messages name an option: as code does, `maxRecord`, or as the command line does, `--max-record`. */

let typed: Readonly<Record<string, string>> | undefined

/**
 * Makes all messages of this process name options as they are typed. For the command line, before anything else.
 *
 * @param names the options whose names differ from those that code uses
 */
export function nameOptionsAsTyped(names: Readonly<Record<string, string>> = {}): void {
  typed = names
}

/** Takes the name that code uses. Call it when the message is made, not when a module is loaded. */
export function optionName(name: string): string {
  if (!typed) return name
  return `--${(typed[name] ?? name).replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`
}

/** Replaces `{maxRecord}` in a fixed text with the name of the option. */
export function withOptionNames(text: string): string {
  return text.replace(/\{(\w+)\}/g, (_, name: string) => optionName(name))
}
