/** Two people, two terminals: what `serve --chat` and `send` do for someone who types. */

import { setImmediate } from 'node:timers/promises'
import { ReadStream } from 'node:tty'
import type { Source } from '../lib/endpoints/endpoint.js'
import { sharedSource, stdinSource } from '../lib/endpoints/stdio.js'
import type { Connection } from '../lib/index.js'
import type { Stage } from '../lib/stages/stage.js'
import type { Logger } from './log.js'

/** stdin for one client after another. */
export interface Chat {
  /** What is typed from now on, for the client that has connected. */
  source(): Source
  watch(connection: Connection): void
  /** Says how to end, once a client has connected. */
  greet(): void
  close(): void
}

/**
 * Reads stdin only while a client is connected, so that it keeps what is typed between clients for the next one. On a
 * terminal the end of the input (Ctrl-D) ends our side of a conversation; without a client it calls `end`. The end of
 * other input calls `end`, too: there is nothing to say to another client.
 */
export function openChat(log: Logger, once: boolean | undefined, end: () => void): Chat {
  let typed = stdinSource()
  let client: Connection | undefined
  let isOver = false

  function finish(): void {
    isOver = true
    end()
  }

  /** Only a read finds the end; this one takes nothing. */
  function findEnd(): void {
    if (!client && typed instanceof ReadStream && typed.readableLength === 0) typed.read(0)
  }

  function listen(): void {
    typed.on('readable', findEnd).once('error', finish)
    typed.once('end', () => {
      if (!client || !(typed instanceof ReadStream)) return finish()
      typed = new ReadStream(0) // a terminal goes on after its end
      listen()
    })
  }

  if (typed instanceof ReadStream) listen()
  else typed.once('end', finish).once('error', finish)
  return {
    source: () => sharedSource(typed),
    watch(connection) {
      client = connection
      void connection.closed.then(({ closedBy }) => {
        client = undefined
        if (once || isOver || closedBy === 'signal') return
        log.info('waiting for the next client; what you type now is sent to it')
        findEnd()
      })
    },
    greet: () => noteTyped(log, typed),
    close: () => void typed.destroy(),
  }
}

/** For a person at a terminal: how to end. */
export function noteTyped(log: Logger, source: Source): void {
  if (source instanceof ReadStream) log.info('reading from the terminal; Ctrl-D ends the input, Ctrl-C the program')
}

/** Logs the end of the peer, after the data before it has gone on. */
export function notePeerEnd(log: Logger): Stage {
  return {
    write: (chunk: Buffer) => chunk,
    async flush() {
      await setImmediate()
      log.info('the peer has ended')
    },
  }
}
