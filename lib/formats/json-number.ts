/** Numbers in JSON that a JavaScript number would change. They keep their text, from the decoder to the encoder. */

/** A number as JSON wrote it, such as 1e400, -0 or an integer over 2^53. Calculates as the nearest JavaScript number. */
export class WrittenNumber extends Number {
  readonly #text: string

  constructor(text: string) {
    super(text)
    this.#text = text
    anyWritten = true
  }

  override toString(): string {
    return this.#text
  }

  toJSON(): number | string {
    return isWriting ? mark() + this.#text : this.valueOf()
  }
}

let made: string | undefined

/** Marks the text of a number in a string. Random, so that no input contains it. */
function mark(): string {
  made ??= `number ${crypto.randomUUID()} ` // the first use of `crypto` takes 3 ms
  return made
}

let anyWritten = false
let isWriting = false

/** As `JSON.stringify`, and writes each `WrittenNumber` as it was. */
export function toJson(value: unknown, indent?: number): string | undefined {
  if (!anyWritten) return JSON.stringify(value, null, indent)
  isWriting = true
  try {
    const text: string | undefined = JSON.stringify(value, null, indent)
    return text?.includes(mark()) ? text.replace(new RegExp(`"${mark()}([^"]*)"`, 'g'), '$1') : text
  } finally {
    isWriting = false
  }
}

/** Parses a valid JSON text. The numbers at these places, each a start and an end, become a `WrittenNumber`. */
export function parseWritten(text: string, places: readonly number[]): unknown {
  let markedText = ''
  let at = 0
  for (let i = 0; i < places.length; i += 2) {
    const [from, to] = [places[i] as number, places[i + 1] as number]
    markedText += `${text.slice(at, from)}"${mark()}${text.slice(from, to)}"`
    at = to
  }
  return JSON.parse(markedText + text.slice(at), revive)
}

function revive(_name: string, value: unknown): unknown {
  return typeof value === 'string' && value.startsWith(mark()) ? new WrittenNumber(value.slice(mark().length)) : value
}

/** Whether `JSON.stringify` writes another value than this number of a valid JSON text. */
export function isChanged(text: string): boolean {
  return decimal(text) !== decimal(String(Number(text)))
}

/** One form for each decimal value: its sign, its significant digits and its exponent. */
function decimal(text: string): string {
  const sign = text.startsWith('-') ? '-' : ''
  const [mantissa = '', exponent = '0'] = text.slice(sign.length).toLowerCase().split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  const digits = whole + fraction
  let from = 0
  let to = digits.length
  while (digits[from] === '0') from++
  while (to > from && digits[to - 1] === '0') to--
  return from === to ? `${sign}0` : `${sign}${digits.slice(from, to)}e${Number(exponent) + whole.length - from}`
}
