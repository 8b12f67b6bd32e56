/** The modules of the page are plain JavaScript for a browser: tests load those that need none. */

// biome-ignore lint/suspicious/noExplicitAny: the types of the page are checked by tsconfig.page.json
export async function page(name: string): Promise<any> {
  return import(String(new URL(`../../../page/${name}.js`, import.meta.url)))
}

/** All ways to cut bytes into two parts, and into single bytes. */
export function* cuts(bytes: Uint8Array): Generator<Uint8Array[]> {
  for (let at = 0; at <= bytes.length; at++) yield [bytes.subarray(0, at), bytes.subarray(at)]
  yield Array.from(bytes, byte => Uint8Array.of(byte))
}

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
