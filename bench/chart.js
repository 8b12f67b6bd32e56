// Draws panels of curves as an SVG, readable on light and dark grounds, and without colours: each kind has a dash and a mark.

const [width, height, gap] = [440, 316, 20]
const inner = { left: 62, right: 14, top: 82, bottom: 46 }
const columns = 2

const style = `
  svg { color-scheme: light dark }
  text { font: 12px system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 14px } .small { font-size: 11px }
  .ground { fill: #fff } .grid { stroke: #d1d9e0 } .axis { stroke: #59636e }
  .line { fill: none; stroke-width: 2 } .mark { stroke-width: 1.5 }
  .ours { --colour: #0550ae } .peer { --colour: #b35900 } .straight { --colour: #59636e }
  .line, .mark { stroke: var(--colour) } .mark { fill: var(--colour) } .hollow { fill: #fff }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .ground, .hollow { fill: #0d1117 } .grid { stroke: #3d444d } .axis { stroke: #9198a1 }
    .ours { --colour: #79c0ff } .peer { --colour: #ffa657 } .straight { --colour: #9198a1 }
  }
`

/** The dash of the line and the shape of the marks, by kind. */
const looks = {
  ours: { dash: '', mark: 'circle' },
  peer: { dash: '7 4', mark: 'square', isHollow: true },
  straight: { dash: '2 4', mark: 'diamond' },
  'ours p50': { dash: '', mark: 'circle' },
  'peer p50': { dash: '7 4', mark: 'square', isHollow: true },
  'ours p99': { dash: '12 3 2 3', mark: 'circle', isHollow: true },
  'peer p99': { dash: '2 3', mark: 'square' },
}

/** `panels`: `{ title, x, y, series: [{ name, kind, points: [[x, y], …] }] }`, each axis `{ label, isLog?, isBytes? }`. */
export function drawing(title, panels) {
  const rows = Math.ceil(panels.length / columns)
  const total = { width: columns * (width + gap) + gap, height: rows * (height + gap) + gap }
  const place = i =>
    `translate(${gap + (i % columns) * (width + gap)} ${gap + Math.floor(i / columns) * (height + gap)})`
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${total.width}" height="${total.height}" viewBox="0 0 ${total.width} ${total.height}" role="img">
<title>${escaped(title)}</title>
<style>${style}</style>
<rect class="ground" width="100%" height="100%"/>
${panels.map((panel, i) => `<g transform="${place(i)}">\n${drawn(panel)}\n</g>`).join('\n')}
</svg>
`
}

function drawn({ title, x, y, series }) {
  const points = series.flatMap(each => each.points).filter(([, value]) => Number.isFinite(value))
  const across = scale(
    { ...x, isTight: true },
    points.map(([value]) => value),
    [inner.left, width - inner.right],
  )
  const up = scale(
    y,
    points.map(([, value]) => value),
    [height - inner.bottom, inner.top],
  )
  return [
    text('title', 0, 14, title),
    ...legend(series),
    ...up.ticks.flatMap(tick => [
      line('grid', inner.left, up(tick), width - inner.right, up(tick)),
      text('small', inner.left - 6, up(tick) + 4, short(tick, y), 'end'),
    ]),
    line('axis', inner.left, height - inner.bottom, width - inner.right, height - inner.bottom),
    ...across.ticks.flatMap(tick => [
      line('axis', across(tick), height - inner.bottom, across(tick), height - inner.bottom + 4),
      text('small', across(tick), height - inner.bottom + 17, short(tick, x), 'middle'),
    ]),
    text(
      'small',
      (inner.left + width - inner.right) / 2,
      height - 10,
      `${x.label}${x.isLog ? ' (log scale)' : ''}`,
      'middle',
    ),
    text('small', 4, inner.top - 12, `${y.label}${y.isLog ? ' (log scale)' : ''}`),
    ...series.map(each => curve(each, across, up)),
  ].join('\n')
}

/** Two in a row below the title. */
function legend(series) {
  return series.flatMap(({ name, kind }, i) => {
    const [left, top] = [(i % 2) * 200 + 4, 28 + Math.floor(i / 2) * 15]
    const { dash } = looks[kind]
    return [
      `<g class="${classOf(kind)}">`,
      `<path class="line" d="M${left} ${top}h36"${dashed(dash)}/>`,
      mark(kind, left + 18, top),
      '</g>',
      text('small', left + 42, top + 4, name),
    ]
  })
}

function curve({ kind, points }, across, up) {
  const placed = points.filter(([, value]) => Number.isFinite(value)).map(([x, y]) => [round(across(x)), round(up(y))])
  const path = `<path class="line" d="M${placed.map(each => each.join(' ')).join('L')}"${dashed(looks[kind].dash)}/>`
  return `<g class="${classOf(kind)}">${path}${placed.map(([x, y]) => mark(kind, x, y)).join('')}</g>`
}

function mark(kind, x, y) {
  const { mark: shape, isHollow } = looks[kind]
  const classes = `mark${isHollow ? ' hollow' : ''}`
  if (shape === 'circle') return `<circle class="${classes}" cx="${x}" cy="${y}" r="4"/>`
  if (shape === 'square') return `<rect class="${classes}" x="${x - 3.5}" y="${y - 3.5}" width="7" height="7"/>`
  return `<path class="${classes}" d="M${x} ${y - 5}l5 5l-5 5l-5 -5z"/>`
}

/**
 * A function from values to coordinates, with `ticks`: from zero, or whole decades if it is a logarithm; with `isTight`
 * the values themselves, without anything beyond.
 */
export function scale({ isLog = false, isTight = false }, values, [from, to]) {
  const ticks = isTight
    ? [...new Set(values)].sort((a, b) => a - b)
    : isLog
      ? decades(values)
      : steps(Math.max(...values, 0))
  const view = isLog ? Math.log10 : value => value
  const [low, high] = [view(ticks[0]), view(ticks.at(-1))]
  const place = value => from + ((view(value) - low) / (high - low || 1)) * (to - from)
  return Object.assign(place, { ticks })
}

/** From zero to beyond the greatest value, in round steps, five at most. */
function steps(most) {
  const raw = (most || 1) / 5
  const power = 10 ** Math.floor(Math.log10(raw))
  const step = power * ([1, 2, 5].find(each => each * power >= raw) ?? 10)
  return Array.from({ length: Math.ceil((most || 1) / step) + 1 }, (_, i) => Number((i * step).toPrecision(12)))
}

/** The powers of ten from below the least value to above the greatest. */
function decades(values) {
  const known = values.filter(value => value > 0)
  const low = Math.floor(Math.log10(Math.min(...known)))
  const high = Math.max(Math.ceil(Math.log10(Math.max(...known))), low + 1)
  return Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i))
}

/** 9900 → `9.9k`; of bytes 65536 → `64k` */
export function short(value, { isBytes = false } = {}) {
  const base = isBytes ? 1024 : 1000
  const unit = ['', 'k', isBytes ? 'm' : 'M'].findLastIndex((_, i) => i === 0 || value >= base ** i)
  return `${Number((value / base ** unit).toPrecision(3))}${['', 'k', isBytes ? 'm' : 'M'][unit]}`
}

function classOf(kind) {
  return kind.split(' ')[0]
}

function dashed(dash) {
  return dash && ` stroke-dasharray="${dash}"`
}

function line(style, x1, y1, x2, y2) {
  const [a, b, c, d] = [x1, y1, x2, y2].map(round)
  return `<line class="${style}" x1="${a}" y1="${b}" x2="${c}" y2="${d}"/>`
}

function text(style, x, y, content, anchor = 'start') {
  return `<text class="${style}" x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${escaped(content)}</text>`
}

function round(value) {
  return Number(value.toFixed(1))
}

function escaped(content) {
  return String(content).replace(/[&<>"]/g, character => `&#${character.charCodeAt(0)};`)
}
