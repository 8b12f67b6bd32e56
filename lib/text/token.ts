/** Tokens that users choose. */

/** What a token may be, in words. */
export const tokenRule = '16 to 200 letters, digits and the characters - . _ ~'

/** Characters that need no quoting in a URL or a header. */
export function isToken(text: string): boolean {
  return /^[A-Za-z\d._~-]{16,200}$/.test(text)
}
