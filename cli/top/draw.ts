/** `top` on a terminal: a frame for each snapshot and each key. */
import { errorMessage } from '../../lib/text/errors.js'
import { formatDuration } from '../../lib/text/quantities.js'
import { lookOf } from '../look.js'
import { onSignals } from '../process.js'
import type { ControlClient } from './client.js'
import { figuresOf, type ServerFigures } from './figures.js'
import { frameOf } from './frame.js'
import { openScreen, type Screen } from './screen.js'
import { snapshots } from './snapshots.js'
import { type Ending, firstView, follow, type Key, press } from './view.js'

/** Intervals without an answer after which the screen says so. */
const patience = 3

/** Resolves when a key or the end of the server ends it. The terminal is then as before. */
export async function draw(client: ControlClient, interval: number): Promise<void> {
  const quit = new AbortController()
  const picture = openPicture(client, quit)
  const stop = onSignals({ reset: picture.close })
  let heard = performance.now()
  const watch = setInterval(() => {
    const silence = performance.now() - heard
    if (silence > patience * interval) picture.say(`no answer for ${formatDuration(silence)}`)
  }, interval)
  try {
    let before: Parameters<typeof figuresOf>[1]
    for await (const stats of snapshots(client, interval, quit)) {
      heard = performance.now()
      picture.show(figuresOf(stats, before))
      before = stats
    }
  } finally {
    clearInterval(watch)
    picture.close()
    stop()
  }
}

interface Picture {
  show(figures: ServerFigures): void
  /** Shows a note until the next key. */
  say(note: string): void
  close(): void
}

function openPicture(client: ControlClient, quit: AbortController): Picture {
  let view = firstView
  let figures: ServerFigures | undefined
  const numbers = () => figures?.connections.map(({ number }) => number) ?? []

  function redraw(): void {
    const { columns, rows } = screen
    if (figures) screen.draw(frameOf(figures, view, { look: lookOf(process.stdout), columns, rows }))
  }

  function say(note: string): void {
    view = { ...view, note }
    redraw()
  }

  async function end(method: Ending, connection: number): Promise<void> {
    try {
      await client.end(method, connection)
      say(`${method} of connection ${connection}: done`)
    } catch (error) {
      say(errorMessage(error))
    }
  }

  function onKey(key: Key): void {
    const [next, action] = press(view, key, numbers())
    view = next
    if (action === 'quit') quit.abort()
    else if (action) void end(action.method, action.connection)
    redraw()
  }

  const screen: Screen = openScreen({ onKey, onChange: redraw, onLost: () => quit.abort() })
  return {
    show(next) {
      figures = next
      view = follow(view, numbers())
      redraw()
    },
    say,
    close: screen.close,
  }
}
