/** How messages name an option: as code does, `maxRecord`, or as the command line does, `--max-record`. */

let isTyped = false

/** Makes all messages of this process name options as they are typed. For the command line, before anything else. */
export function nameOptionsAsTyped(): void {
  isTyped = true
}

/** Takes the name that code uses. Call it when the message is made, not when a module is loaded. */
export function optionName(name: string): string {
  return isTyped ? `--${name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}` : name
}

/** Replaces `{maxRecord}` in a fixed text with the name of the option. */
export function withOptionNames(text: string): string {
  return text.replace(/\{(\w+)\}/g, (_, name: string) => optionName(name))
}
