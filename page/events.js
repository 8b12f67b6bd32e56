// @ts-check
/** Reads server-sent events: `fetch` can send a token, which EventSource cannot. */

/**
 * Takes a stream as it comes, in pieces of any size, and calls `heard` for each event that has data.
 * @param {(name: string, data: string) => void} heard
 */
export function eventParser(heard) {
  const decoder = new TextDecoder()
  let rest = ''
  let name = ''
  /** @type {string[]} */
  let data = []

  /** @param {string} line */
  function read(line) {
    if (line === '') {
      if (data.length > 0) heard(name || 'message', data.join('\n'))
      name = ''
      data = []
      return
    }
    const [, field, value] = /** @type {RegExpExecArray} */ (/^([^:]*)(?:: ?)?(.*)$/s.exec(line))
    if (field === 'event') name = value
    else if (field === 'data') data.push(value)
  }

  return (/** @type {Uint8Array} */ chunk) => {
    const pieces = decoder.decode(chunk, { stream: true }).split('\n')
    pieces[0] = rest + pieces[0]
    rest = /** @type {string} */ (pieces.pop())
    for (const line of pieces) read(line.endsWith('\r') ? line.slice(0, -1) : line)
  }
}
