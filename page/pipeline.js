// @ts-check
/** The parts of both directions, what they spend their time with, and the verdict. */
import { visibleLine } from './bytes.js'
import { segmented } from './controls.js'
import { byId, h, setText } from './dom.js'
import { number, percent, rate } from './format.js'

/** @typedef {import('./types.js').Part} Part */
/** @typedef {import('./types.js').PipelineOfDirection} PipelineOfDirection */

const shares = /** @type {const} */ ([
  ['busy', 'busy'],
  ['waitingForInput', 'waits for input'],
  ['waitingForOutput', 'waits for output'],
  ['waitingForThread', 'waits for the thread'],
  ['ended', 'ended'],
])

/** @param {import('./main.js').Page} page */
export function createPipeline(page) {
  const scope = segmented(
    'Pipeline of',
    [
      ['server', 'All connections'],
      ['connection', 'Selected one'],
    ],
    'server',
    value => {
      page.pipelineOf = value
    },
  )
  byId('pipeline-scope').replaceWith(scope.element)
  byId('pipeline-legend').append(
    ...shares.map(([name, text]) => h('li', {}, h('i', { class: `swatch ${name}` }), text)),
  )
  const body = byId('pipeline-body')
  const rows = { forward: createRow('forward'), reply: createRow('reply') }

  function update() {
    const { stats, selected } = page
    const { input, text } = scope.part('connection')
    input.disabled = !selected
    setText(text, selected ? `Connection ${selected.number}` : 'Selected one')
    scope.value = page.pipelineOf
    if (!stats) return
    const { forward, reply } = stats.pipeline ?? {}
    const shown = []
    if (forward) shown.push(rows.forward.update(forward, stats))
    if (reply) shown.push(rows.reply.update(reply, stats))
    if (shown.length === 0) shown.push(emptyText(page))
    if (shown.length !== body.children.length || shown.some((each, i) => body.children[i] !== each))
      body.replaceChildren(...shown)
  }

  return { update }
}

const empty = h('p', { class: 'empty' })

/** @param {import('./main.js').Page} page */
function emptyText({ stats, selected, pipelineOf }) {
  const isOne = pipelineOf === 'connection' && selected
  const text = isOne
    ? selected.state === 'open'
      ? 'Nothing has passed in this connection yet.'
      : 'This connection has ended.'
    : stats?.stats.connections
      ? 'Nothing passes now.'
      : 'No connection is open.'
  setText(empty, text)
  return empty
}

/** @param {'forward' | 'reply'} direction */
function createRow(direction) {
  const route = h('span', { class: 'muted' })
  const verdict = h('p', { class: 'verdict' })
  const parts = h('ol', { class: 'parts' })
  const element = h(
    'div',
    { class: `direction ${direction}` },
    h(
      'div',
      { class: 'direction-head' },
      h('h3', {}, direction === 'forward' ? 'Forward' : 'Reply', ' ', route),
      verdict,
    ),
    parts,
  )
  /** @type {ReturnType<typeof createPart>[]} */
  let boxes = []
  let shape = ''

  /** @param {PipelineOfDirection} pipeline @param {import('./types.js').Stats} stats */
  function update(pipeline, stats) {
    const now = JSON.stringify(pipeline.parts.map(({ kind, name, segment }) => [kind, name, segment]))
    if (now !== shape) {
      shape = now
      boxes = pipeline.parts.map(createPart)
      parts.replaceChildren(...boxes.map(box => box.element))
    }
    const ends = [pipeline.parts[0]?.name, pipeline.parts.at(-1)?.name].map(name => visibleLine(String(name)))
    setText(route, `${ends.join(' → ')}, ${rate(pipeline.bytesIn)}`)
    setText(
      verdict,
      pipeline.verdict
        ? visibleLine(pipeline.verdict)
        : stats.stats.connections
          ? 'No part is slow: measuring'
          : 'Idle',
    )
    verdict.classList.toggle('slow', pipeline.slowest.length > 0)
    for (const [i, part] of pipeline.parts.entries())
      boxes[i].update(part, pipeline.parts[i - 1], pipeline.slowest.includes(i))
    return element
  }

  return { update }
}

/** @param {Part} part */
function createPart(part) {
  const flow = h('span', { class: 'flow-rate' })
  const slow = h('span', { class: 'slow-tag', hidden: true }, 'slowest')
  const segments = shares.map(([name]) => h('i', { class: name }))
  const bar = h('div', { class: 'share-bar', role: 'img' }, ...segments)
  const text = h('p', { class: 'share-text' })
  const kind = part.segment ?? (part.kind === 'stage' ? 'stage' : part.kind)
  const box = h(
    'div',
    { class: `box ${part.kind}` },
    h('p', { class: 'kind' }, visibleLine(kind), slow),
    h('p', { class: 'name', title: visibleLine(part.name) }, visibleLine(part.name)),
    bar,
    text,
  )
  const arrow = h('div', { class: 'flow' }, flow, h('span', { class: 'arrow', 'aria-hidden': 'true' }))
  const element = h('li', {}, arrow, box)

  /** @param {Part} now @param {Part | undefined} before @param {boolean} isSlow */
  function update(now, before, isSlow) {
    arrow.hidden = !before
    if (before) setText(flow, flowText(before, now))
    slow.hidden = !isSlow
    box.classList.toggle('is-slow', isSlow)
    for (const [i, [name]] of shares.entries()) segments[i].style.width = `${100 * now[name]}%`
    const words = shares.filter(([name]) => now[name] >= 0.005).map(([name, word]) => `${word} ${percent(now[name])}`)
    bar.setAttribute('aria-label', words.join(', ') || 'nothing measured yet')
    bar.title = words.join(', ')
    const most = [...shares].sort((a, b) => now[b[0]] - now[a[0]])[0]
    setText(text, now[most[0]] > 0 ? `${most[1]} ${percent(now[most[0]])}` : 'not measured')
  }

  return { element, update }
}

/** @param {Part} before @param {Part} now */
function flowText(before, now) {
  const bytes = before.bytesOut ?? now.bytesIn
  if (bytes !== null) return rate(bytes)
  const records = before.recordsOut ?? now.recordsIn
  return records === null ? '' : `${number(records)} records/s`
}
