// Draws terminals as an SVG that plays once and then stays complete. Without animation it is complete from the start.

const [cell, row, size, margin, gap] = [7.8, 19, 13, 14, 10]

const style = `
  svg { color-scheme: light dark }
  text { font: ${size}px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace; fill: #1f2328 }
  rect { fill: #f6f8fa; stroke: #d1d9e0 }
  .bold { font-weight: bold } .dim, .gray { fill: #59636e } .red { fill: #cf222e } .green { fill: #116329 }
  .yellow { fill: #7d4e00 } .cyan { fill: #0b6a82 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } rect { fill: #151b23; stroke: #3d444d }
    .dim, .gray { fill: #9198a1 } .red { fill: #ff7b72 } .green { fill: #56d364 }
    .yellow { fill: #e3b341 } .cyan { fill: #56d4dd }
  }
  @keyframes appear { from { visibility: hidden } to { visibility: hidden } }
  @keyframes type { from { clip-path: inset(0 100% 0 0) } to { clip-path: inset(0) } }
  @media (prefers-reduced-motion: no-preference) {
    .line { animation: appear 1ms } .typed { animation: type 1.4s backwards }
  }
`

/** `panes`, one below the other: `{ command, typed, lines: [{ runs, at }] }`, where `typed` and `at` are seconds. */
export function drawing(panes, title) {
  const widths = panes.flatMap(({ command, lines }) => [command.length + 2, ...lines.map(({ runs }) => end(runs))])
  const width = Math.ceil(Math.max(...widths) * cell + 2 * margin)
  let top = 0
  const parts = panes.map(({ command, typed, lines }) => {
    const height = (lines.length + 1) * row + margin
    const baseline = i => top + margin / 2 + (i + 0.74) * row
    const part = [
      `<rect x=".5" y="${round(top + 0.5)}" width="${width - 1}" height="${height - 1}" rx="6"/>`,
      text('dim', 0, baseline(0), '$'),
      text(
        'typed',
        2,
        baseline(0),
        command,
        `animation-delay:${typed}s;animation-timing-function:steps(${command.length})`,
      ),
      ...lines.map(({ runs, at }, i) => {
        const texts = runs.map(({ text: content, style, column }) => text(style, column, baseline(i + 1), content))
        return `<g class="line" style="animation-duration:${at}s">${texts.join('')}</g>`
      }),
    ]
    top += height + gap
    return part.join('\n')
  })
  const height = top - gap
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>${escaped(title)}</title>
<style>${style}</style>
${parts.join('\n')}
</svg>
`
}

const styles = { 1: 'bold', 2: 'dim', 31: 'red', 32: 'green', 33: 'yellow', 36: 'cyan', 90: 'gray' }

/** A line of a terminal as `{ text, style, column }`, one for each run of one style. Knows styles only, one at a time. */
export function parse(line) {
  const runs = []
  let [style, column] = ['', 0]
  for (const [token, code] of line.matchAll(/\p{Cc}\[(\d*)m|\P{Cc}+|\p{Cc}/gu)) {
    if (code !== undefined) {
      if (!(code in styles) && !['', '0', '22', '39'].includes(code)) throw new Error(`unknown style ${code}`)
      style = styles[code] ?? ''
    } else {
      if (/\p{Cc}/u.test(token)) throw new Error(`unknown control ${JSON.stringify(token)} in ${JSON.stringify(line)}`)
      if (token.trim() !== '') runs.push({ text: token, style, column })
      column += [...token].length
    }
  }
  return runs
}

function end(runs) {
  const { column, text } = runs.at(-1)
  return column + [...text].length
}

/** A text whose columns are where they belong, whatever the font. */
function text(style, column, y, content, css = '') {
  const blanks = content.length - content.trimStart().length
  const trimmed = content.trim()
  const attributes = [
    `x="${round(margin + (column + blanks) * cell)}"`,
    `y="${round(y)}"`,
    `textLength="${round([...trimmed].length * cell)}"`,
    'xml:space="preserve"',
    style && `class="${style}"`,
    css && `style="${css}"`,
  ]
  return `<text ${attributes.filter(Boolean).join(' ')}>${escaped(trimmed)}</text>`
}

function round(number) {
  return Number(number.toFixed(2))
}

function escaped(content) {
  return content.replace(/[&<>"]/g, character => `&#${character.charCodeAt(0)};`)
}
