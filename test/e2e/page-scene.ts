/** Something to look at: a proxy with stages, clients, and a breakpoint. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { Test } from 'tap'
import { long, shows, type Visit } from './browser.js'
import { dial, listen, proxy, type ServerProcess } from './support.js'

export interface Scene {
  link: ServerProcess
  clients: Socket[]
}

/** A proxy with stages in front of an echo, and some clients. */
export async function scene(t: Test): Promise<Scene> {
  const target = await listen(t, socket => void socket.pipe(socket))
  const link = await proxy(
    t,
    ['0', target.to, '-t', 'counter | slice 1k', '-r', 'counter', '--ui', '127.0.0.1:0'],
    long,
  )
  const clients = []
  for (const words of ['one\n', '{"two":2}\n', 'three\n']) {
    const client = await dial(t, link.port)
    client.write(words)
    await once(client, 'data')
    clients.push(client.resume())
  }
  return { link, clients }
}

/** Adds a breakpoint of the way forward by the form. */
export async function addBreakpoint({ page, part }: Visit, text: string): Promise<void> {
  const form = page.getByRole('form', { name: 'New breakpoint' })
  await form.getByRole('textbox').first().fill(text)
  await form.getByRole('button', { name: 'Add breakpoint' }).click()
  await shows(part('breakpoints'), `text “${text}”`)
}

/** Connects, and waits for the answer of an echo: the connection has its number then. */
export async function greeted(t: Test, server: ServerProcess, words: string): Promise<Socket> {
  const socket = await dial(t, server.port)
  socket.write(words)
  for (let length = 0; length < words.length; ) length += (await once(socket, 'data'))[0].length
  return socket.resume()
}
