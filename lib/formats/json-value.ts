/** Parses one JSON text, and changes nothing: numbers keep their value, and a repeated member is an error. */
import { isChanged, parseWritten } from './json-number.js'

/** @throws A `SyntaxError` for a text that is invalid, or that has two members of one name in an object */
export function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text)
  const { members, numbers } = survey(text)
  if (members > countMembers(value)) throw new SyntaxError(`duplicate member ${repeatedMember(text)}`)
  return numbers ? parseWritten(text, numbers) : value
}

const QUOTE = 0x22
const COLON = 0x3a
const BACKSLASH = 0x5c
const ZERO = 0x30

/** A number of this many characters, without an exponent, has at most 15 digits, and a double holds it. */
const safeLength = 15

/** What a character is outside of strings. */
const [DIGIT, MINUS, EXPONENT, REST_OF_NUMBER] = [1, 2, 3, 4]
const kinds = new Uint8Array(128)
for (const digit of '0123456789') kinds[digit.charCodeAt(0)] = DIGIT
kinds['-'.charCodeAt(0)] = MINUS
for (const letter of 'eE') kinds[letter.charCodeAt(0)] = EXPONENT
for (const other of '.+') kinds[other.charCodeAt(0)] = REST_OF_NUMBER

/** Counts the members in a valid text, and finds the numbers that a double would change: the start and end of each. */
function survey(text: string): { members: number; numbers: number[] | undefined } {
  let members = 0
  let numbers: number[] | undefined
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = stringEnd(text, at)
    else if (code === COLON) members++
    else if (kinds[code] === DIGIT || kinds[code] === MINUS) {
      let end = at + 1
      let isSuspect = kinds[code] === MINUS && text.charCodeAt(end) === ZERO
      for (let kind = kinds[text.charCodeAt(end)]; kind; kind = kinds[text.charCodeAt(++end)])
        isSuspect ||= kind === EXPONENT
      if ((isSuspect || end - at > safeLength) && isChanged(text.slice(at, end))) {
        numbers ??= []
        numbers.push(at, end)
      }
      at = end - 1
    }
  }
  return { members, numbers }
}

/** Returns the index of the quote at the end. */
function stringEnd(text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  while (text.charCodeAt(end - 1) === BACKSLASH && isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end
}

function isEscaped(text: string, at: number): boolean {
  let from = at
  while (text[from - 1] === '\\') from--
  return (at - from) % 2 === 1
}

function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  let count = 0
  if (Array.isArray(value)) for (const each of value) count += typeof each === 'object' ? countMembers(each) : 0
  else {
    for (const name in value) {
      const each = (value as Record<string, unknown>)[name]
      count += typeof each === 'object' ? 1 + countMembers(each) : 1
    }
  }
  return count
}

/** The longest name in a message. */
const longestName = 64

/** Returns the first name that occurs twice in an object; there is one. In a valid text, a string before a colon is a name. */
function repeatedMember(text: string): string {
  const objects: Set<string>[] = []
  let repeated = ''
  for (let at = 0; repeated === ''; at++) {
    const character = text[at]
    if (character === '{') objects.push(new Set())
    else if (character === '}') objects.pop()
    else if (character === '"') {
      const end = stringEnd(text, at)
      const string = text.slice(at, end + 1)
      at = end
      if (!isName(text, end + 1)) continue
      const names = objects.at(-1) as Set<string>
      const name = JSON.parse(string) as string
      if (names.has(name)) repeated = string
      names.add(name)
    }
  }
  return repeated.length > longestName ? `${repeated.slice(0, longestName)}…` : repeated
}

function isName(text: string, from: number): boolean {
  let at = from
  while (' \t\r\n'.includes(text[at] as string)) at++
  return text[at] === ':'
}
