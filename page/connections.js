// @ts-check
/** The table of connections. The server sorts, filters and pages. */
import { visibleLine } from './bytes.js'
import { closedText } from './connection-facts.js'
import { allow, button, newId, segmented, select } from './controls.js'
import { byId, h, keyed, setAttribute, setText } from './dom.js'
import { address, age, number, rate, size } from './format.js'

/** @typedef {import('./types.js').Connection} Connection */

const columns = /** @type {const} */ ([
  ['number', '#', 'number'],
  ['remote', 'Remote', ''],
  ['state', 'State', ''],
  ['age', 'Age', 'number'],
  ['bytesIn', 'In', 'number'],
  ['bytesOut', 'Out', 'number'],
  ['rate', 'Rate', 'number'],
])

/** @param {import('./main.js').Page} page */
export function createConnections(page) {
  const rows = h('tbody')
  const heads = createHeads(page)
  const table = h(
    'table',
    { class: 'connections', 'aria-labelledby': 'connections-title' },
    h(
      'thead',
      {},
      h('tr', {}, ...heads.elements, h('th', { scope: 'col' }, 'Closed'), h('th', { scope: 'col' }, 'Actions')),
    ),
    rows,
  )
  const scroller = h(
    'div',
    { class: 'table-scroll', role: 'region', 'aria-label': 'Table of connections', tabindex: '0' },
    table,
  )
  const empty = h('p', { class: 'empty' })
  byId('connections-body').append(scroller, empty)
  const tools = createTools(page)
  byId('connections-tools').append(...tools.elements)
  const fill = keyed(rows, {
    key: (/** @type {Connection} */ { id }) => id,
    create: connection => createRow(page, connection.id),
    change: (row, connection) => changeRow(page, /** @type {HTMLTableRowElement} */ (row), connection),
  })

  function update() {
    const hadFocus = rows.contains(document.activeElement)
    fill(page.list?.connections ?? [])
    if (hadFocus && !rows.contains(document.activeElement)) scroller.focus({ preventScroll: true })
    heads.update()
    tools.update()
    const isEmpty = !page.list || page.list.connections.length === 0
    scroller.hidden = isEmpty
    empty.hidden = !isEmpty
    if (isEmpty) setText(empty, emptyText(page))
  }

  return { update }
}

/** @param {import('./main.js').Page} page */
function emptyText({ list, query, stats }) {
  if (!list) return 'Loading'
  if (query.filter || (list.open + list.ended > 0 && query.state !== 'all')) return 'No connection matches.'
  if (list.offset > 0) return 'There is no connection on this page.'
  if (stats?.about.name === 'send') return 'The connection is not open yet.'
  const where = stats?.address ? visibleLine(stats.address) : 'the address above'
  return `Nothing has connected yet. Connect a client to ${where}, and it appears here.`
}

/** @param {import('./main.js').Page} page */
function createHeads(page) {
  const elements = columns.map(([key, title, kind]) => {
    const sort = () => {
      const isSame = page.query.sort === key
      const first = kind === 'number' ? 'desc' : 'asc'
      const other = first === 'desc' ? 'asc' : 'desc'
      page.setQuery({ sort: key, order: isSame && page.query.order === first ? other : first })
      update()
    }
    return h('th', { scope: 'col', class: `${key} ${kind}` }, button(title, sort, { class: 'sort' }))
  })

  function update() {
    for (const [i, [key]] of columns.entries()) {
      const order = page.query.order === 'asc' ? 'ascending' : 'descending'
      setAttribute(elements[i], 'aria-sort', page.query.sort === key ? order : undefined)
    }
  }

  return { elements, update }
}

/** @param {import('./main.js').Page} page */
function createTools(page) {
  const state = segmented(
    'State',
    [
      ['all', 'All'],
      ['open', 'Open'],
      ['ended', 'Ended'],
    ],
    'all',
    value => page.setQuery({ state: value }),
  )
  const id = newId()
  const filter = h('input', {
    id,
    type: 'search',
    placeholder: 'Address, id, reason …',
    spellcheck: false,
    oninput: () => page.setQuery({ filter: filter.value.trim() }, 200),
  })
  const limit = select(
    'Rows',
    ['25', '50', '100', '200'].map(each => /** @type {const} */ ([each, each])),
    value => page.setQuery({ limit: Number(value) }),
  )
  limit.control.value = '50'
  const turn = (/** @type {number} */ by) => {
    const { offset, limit: rows } = page.query
    page.setQuery({ offset: Math.max(0, offset + by * rows) })
  }
  const previous = button('Previous', () => turn(-1), { 'aria-label': 'Previous page' })
  const next = button('Next', () => turn(1), { 'aria-label': 'Next page' })
  const range = h('span', { class: 'range' })

  function update() {
    const { list, query } = page
    if (!list) return
    const { open, ended, matching, offset, connections } = list
    setText(state.part('all').text, `All ${number(open + ended)}`)
    setText(state.part('open').text, `Open ${number(open)}`)
    setText(state.part('ended').text, `Ended ${number(ended)}`)
    const last = offset + connections.length
    setText(
      range,
      matching === 0 ? 'none' : `${number(Math.min(offset + 1, matching))}–${number(last)} of ${number(matching)}`,
    )
    previous.disabled = query.offset === 0
    next.disabled = query.offset + query.limit >= matching
  }

  const search = h('div', { class: 'labelled' }, h('label', { for: id }, 'Filter'), filter)
  const pager = h('div', { class: 'pager' }, previous, range, next)
  return { elements: [state.element, search, limit.element, pager], update }
}

/** @type {WeakMap<HTMLTableRowElement, { connection: Connection }>} */
const shown = new WeakMap()

/** @param {import('./main.js').Page} page @param {string} id */
function createRow(page, id) {
  const choose = () => page.select(shown.get(row)?.connection)
  const act = (/** @type {string} */ action, /** @type {string} */ done) => () => {
    const connection = shown.get(row)?.connection
    page.change(`/api/connections/${encodeURIComponent(id)}/${action}`, {}, `Connection ${connection?.number} ${done}`)
  }
  const row = h(
    'tr',
    { onclick: choose },
    ...columns.map(([key, , kind]) => h('td', { class: `${key} ${kind}` })),
    h('td', { class: 'closed' }),
    h(
      'td',
      { class: 'actions' },
      button('Close', act('close', 'is closed')),
      button('Reset', act('reset', 'is reset')),
    ),
  )
  row.cells[1].append(button('', choose, { class: 'link' }))
  row.cells[8].onclick = event => event.stopPropagation()
  return row
}

/** @param {import('./main.js').Page} page @param {HTMLTableRowElement} row @param {Connection} connection */
function changeRow(page, row, connection) {
  shown.set(row, { connection })
  const { cells } = row
  const isOpen = connection.state === 'open'
  const isSelected = page.selected?.id === connection.id
  const remote = visibleLine(address(connection.remote, connection.port))
  const link = /** @type {HTMLElement} */ (cells[1].firstElementChild)
  setText(cells[0], String(connection.number))
  setText(link, remote)
  setAttribute(link, 'aria-pressed', String(isSelected))
  row.classList.toggle('selected', isSelected)
  const held = connection.held?.length ? 'held' : undefined
  setText(cells[2], isOpen ? (held ?? 'open') : connection.state)
  row.dataset.state = isOpen ? (held ?? 'open') : connection.error ? 'failed' : 'ended'
  setText(cells[3], age(connection.age))
  setText(cells[4], size(connection.bytesIn))
  setText(cells[5], size(connection.bytesOut))
  setText(cells[6], isOpen ? rate(connection.rateIn + connection.rateOut) : '')
  setText(cells[7], isOpen ? '' : closedText(connection))
  cells[7].title = cells[7].textContent ?? ''
  const buttons = /** @type {NodeListOf<HTMLButtonElement>} */ (cells[8].querySelectorAll('button'))
  for (const [i, word] of ['Close', 'Reset'].entries())
    setAttribute(buttons[i], 'aria-label', `${word} connection ${connection.number}`)
  if (!isOpen && cells[8].contains(document.activeElement)) link.focus({ preventScroll: true })
  cells[8].classList.toggle('ended', !isOpen)
  allow(buttons, page.mayChange && isOpen)
  if (!isOpen) for (const each of buttons) each.title = 'It has ended'
}
