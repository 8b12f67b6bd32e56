// @ts-check
/** What runs, whether the page is up to date, and what it may do. */

import { visibleLine } from './bytes.js'
import { byId, setText } from './dom.js'
import { counted } from './format.js'

/** @param {import('./main.js').Page} page */
export function createHeader(page) {
  const form = /** @type {HTMLFormElement} */ (byId('token-form'))
  const field = /** @type {HTMLInputElement} */ (byId('token'))
  const opener = byId('token-open')

  /** @param {boolean} isOpen */
  function showForm(isOpen) {
    form.hidden = !isOpen
    opener.setAttribute('aria-expanded', String(isOpen))
    if (isOpen) field.focus()
  }

  opener.onclick = () => showForm(form.hidden === true)
  form.onsubmit = event => {
    event.preventDefault()
    const token = field.value.trim().replace(/^.*#token=/, '')
    if (!token) return
    field.value = ''
    showForm(false)
    opener.focus()
    page.useToken(token)
  }

  function update() {
    const { stats } = page
    if (!stats) return
    const { about, address, target } = stats
    const route = [address, target].filter(Boolean).map(each => visibleLine(String(each)))
    setText(byId('command'), about.name)
    setText(byId('route'), route.join(' → '))
    setText(byId('open-count'), `${counted(stats.stats.connections, 'connection')} open`)
    setText(byId('access'), stats.mayChange ? 'Full access' : 'Read only')
    opener.hidden = stats.mayChange
    if (page.mayChange && !form.hidden) showForm(false)
    document.title = `${about.name} ${route.join(' → ')} – tcp-pipe`
  }

  /** @param {import('./live.js').Status} status */
  function showStatus(status) {
    const live = byId('live')
    live.dataset.state = status.state
    document.body.dataset.live = status.state
    setText(live, statusText(status))
    if (status.state !== 'refused') return
    opener.hidden = false
    setText(byId('access'), 'No access')
    showForm(true)
  }

  return { update, showStatus }
}

/** @param {import('./live.js').Status} status */
function statusText(status) {
  switch (status.state) {
    case 'live':
      return 'Live'
    case 'connecting':
      return 'Connecting'
    case 'ended':
      return 'The program has ended'
    case 'refused':
      return status.hadToken ? 'The token is wrong; a restarted program has a new one' : 'The token is needed'
    default:
      return `Disconnected: ${status.message}. Next try in ${status.seconds} s`
  }
}
