// @ts-check
/** What the selected connection has said, in turns. */
import { aboutText, saveRaw, saveShown } from './connection-facts.js'
import { button } from './controls.js'
import { createTools } from './conversation-tools.js'
import { byId, h, onceAFrame, setText } from './dom.js'
import { exported, itemText } from './export.js'
import { counted, number, size } from './format.js'
import { highlight } from './highlight.js'
import { protocolIn } from './labels.js'
import { copy } from './save.js'
import { Search } from './searching.js'
import { ShownTurns } from './shown-turns.js'
import { createRows } from './turn-view.js'
import { Conversation } from './turns.js'

/** @typedef {import('./main.js').Page} Page */

/** @param {Page} page */
export function createConversation(page) {
  return new ConversationPart(page)
}

class ConversationPart {
  #page
  #conversation = new Conversation('in')
  #turns = new ShownTurns(this.#conversation)
  #keeps = 'yes'
  #draw = onceAFrame(() => this.update())
  #tools = createTools({
    changed: () => this.#changed(),
    searched: text => this.#searched(text),
    step: by => this.#step(by),
    copyAll: () => this.#copy(this.#exported(), 'The conversation is copied'),
    saveAll: () => saveShown(this.#page.selected, this.#exported(), this.#turns.view),
    saveRaw: way => saveRaw(this.#page, way),
  })
  #list = h('ol', { class: 'exchanges' })
  #about = h('p', { class: 'empty' })
  #limits = h('p', { class: 'note' })
  #earlier = button('', () => this.#then(() => this.#turns.showEarlier()), { class: 'more' })
  #later = button('', () => this.#then(() => this.#turns.showLater()), { class: 'more' })
  #scroller = h('div', { class: 'conversation', tabindex: '0', role: 'region', 'aria-label': 'Turns' })
  #rows = createRows(this.#list, {
    mark: ({ id }) => this.#then(() => toggle(this.#turns.marked, id)),
    hide: ({ id }) => this.#then(() => this.#hide(id)),
    copy: turn =>
      this.#copy(itemText(this.#conversation, turn, this.#turns.view, this.#protocol), 'The turn is copied'),
    more: ({ id }) => this.#then(() => this.#turns.showMore(id)),
  })
  #search = new Search()
  #lastTop = 0
  #lastHeight = 0

  /** @param {Page} page */
  constructor(page) {
    this.#page = page
    this.#scroller.append(this.#limits, this.#earlier, this.#list, this.#later)
    byId('conversation-body').append(this.#tools.element, this.#about, this.#scroller)
    new ResizeObserver(this.#draw).observe(this.#scroller)
    this.#tools.unhide.onclick = () => this.#then(() => this.#turns.hidden.clear())
    this.#scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true })
  }

  /** The sequence number to follow the connection from. */
  next() {
    return this.#conversation.next
  }

  /** Another connection is looked at. */
  select() {
    const requestWay = this.#page.stats?.about.name === 'send' ? 'out' : 'in'
    const { view, protocol, onlyMarked } = this.#turns
    this.#conversation = new Conversation(requestWay)
    this.#turns = Object.assign(new ShownTurns(this.#conversation), { view, protocol, onlyMarked })
    this.#tools.follow.checked = true
    this.#keeps = 'yes'
    this.#list.replaceChildren()
    this.about()
    this.#draw()
  }

  /** @param {import('./types.js').BytesAnswer} answer */
  add(answer) {
    this.#keeps = answer.keeps
    this.#conversation.add(answer)
    this.#turns.tidy()
    this.#draw()
  }

  /** What is known of the connection. */
  about() {
    const { selected } = this.#page
    setText(byId('conversation-about'), selected ? aboutText(selected) : '')
  }

  update() {
    const { items } = this.#conversation
    const text = this.#emptyText()
    this.#about.hidden = text === ''
    setText(this.#about, text)
    this.#scroller.hidden = items.length === 0
    this.#tools.element.hidden = items.length === 0
    if (items.length === 0) return
    this.#turns.width = this.#hexWidth()
    const { rows, before, after } = this.#turns.window()
    this.#rows(rows, { turns: this.#turns, protocol: this.#protocol, current: this.#search.current?.turn.id })
    this.#showCounts(before, after)
    this.#search.update(this.#shownTurns())
    this.#tools.search.show(this.#search.count, this.#search.index)
    highlight(this.#list, this.#search.needle)
    if (this.#turns.follow) this.#scroller.scrollTop = this.#scroller.scrollHeight
    this.#lastTop = this.#scroller.scrollTop
    this.#lastHeight = this.#scroller.clientHeight
  }

  /** As many bytes in a row of hex as there is room for: request and reply may stand side by side. */
  #hexWidth() {
    const { clientWidth } = this.#scroller
    return (clientWidth >= 900 ? clientWidth / 2 : clientWidth) >= 615 ? 16 : 8
  }

  get #protocol() {
    return this.#turns.protocol || protocolIn(this.#conversation) || 'lines'
  }

  #shownTurns() {
    return /** @type {import('./turns.js').Turn[]} */ (this.#turns.items().filter(({ kind }) => kind === 'turn'))
  }

  #emptyText() {
    const { selected } = this.#page
    if (!selected) return 'Choose a connection in the table to read what it says.'
    if (this.#keeps === 'tls')
      return 'The bytes of this connection are not kept, because it has TLS. Start the program with --keep-tls to keep them.'
    if (this.#keeps === 'no') {
      const isOff = this.#page.stats?.keep.perConnection === 0
      return `The bytes of this connection are not kept: ${isOff ? '--keep is 0' : 'it was open before the page'}.`
    }
    return this.#conversation.items.length > 0 ? '' : 'Nothing has been said yet.'
  }

  /** @param {number} before @param {number} after */
  #showCounts(before, after) {
    const { forgotten, dropped } = this.#conversation
    this.#earlier.hidden = before === 0
    setText(this.#earlier, `Show earlier turns (${counted(before, 'row')} above)`)
    this.#later.hidden = after === 0
    setText(this.#later, `Show later turns (${counted(after, 'row')} below)`)
    const lost = [
      dropped.in + dropped.out > 0 &&
        `${size(dropped.in)} in and ${size(dropped.out)} out are not kept by the program any more`,
      dropped.marks > 0 && `${counted(dropped.marks, 'mark')} neither`,
      forgotten > 0 && `${size(forgotten)} not by this page`,
    ].filter(Boolean)
    this.#limits.hidden = lost.length === 0
    setText(this.#limits, `${lost.join(', ')}.`)
    const { hidden } = this.#turns
    this.#tools.unhide.disabled = hidden.size === 0
    setText(this.#tools.unhide, hidden.size > 0 ? `Unhide all ${number(hidden.size)}` : 'Unhide all')
  }

  /** @param {() => void} change */
  #then(change) {
    change()
    this.#tools.follow.checked = this.#turns.follow
    this.update()
  }

  #changed() {
    const { view, protocol, follow, onlyMarked } = this.#tools
    this.#turns.view = view.value
    this.#turns.protocol = /** @type {any} */ (protocol.control.value)
    this.#turns.onlyMarked = onlyMarked.checked
    if (follow.checked !== this.#turns.follow) this.#turns.setFollow(follow.checked)
    this.update()
  }

  /** Scrolling back stops following: nobody reads what moves. */
  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller
    const isBack = scrollTop < this.#lastTop - 2 && scrollHeight - clientHeight - scrollTop > 40
    const isResized = clientHeight !== this.#lastHeight
    this.#lastTop = scrollTop
    this.#lastHeight = clientHeight
    if (!isBack || isResized || !this.#turns.follow) return
    this.#turns.follow = false
    this.#tools.follow.checked = false
  }

  /** @param {number} id */
  #hide(id) {
    const row = document.activeElement?.closest('li')
    const next = /** @type {HTMLElement | undefined} */ (
      row?.nextElementSibling ?? row?.previousElementSibling ?? undefined
    )
    this.#turns.hidden.add(id)
    queueMicrotask(() => {
      if (document.activeElement !== document.body) return
      const target = next?.isConnected ? next.querySelector('button') : null
      ;(target ?? this.#scroller).focus({ preventScroll: true })
    })
  }

  /** @param {string} text */
  #searched(text) {
    try {
      this.#search.start(text, this.#shownTurns())
      this.update()
    } catch (error) {
      this.#search.start('', [])
      this.#tools.search.show(undefined, -1, /** @type {Error} */ (error).message)
    }
  }

  /** @param {number} by */
  #step(by) {
    const match = this.#search.step(by)
    if (!match) return
    const { id, start } = match.turn
    this.#turns.moveTo(id)
    if (match.at - start > 2048) this.#turns.showMore(id)
    this.#then(() => {})
    const element = this.#list.querySelector(`[data-turn="${id}"]`)
    element?.scrollIntoView({ block: 'center' })
  }

  #exported() {
    return exported(this.#conversation, this.#turns.items(), this.#turns.view, this.#protocol)
  }

  /** @param {string} text @param {string} done */
  async #copy(text, done) {
    try {
      await copy(text)
      this.#page.notice(done)
    } catch {
      this.#page.notice('The browser does not let the page copy', true)
    }
  }
}

/** @param {Set<number>} set @param {number} id */
function toggle(set, id) {
  if (!set.delete(id)) set.add(id)
}
