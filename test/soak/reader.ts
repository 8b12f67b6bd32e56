/** Reads a page as a browser does that shows it: the figures, and the bytes of a connection, one after another. */
import { get } from 'node:http'

const [, , page] = process.argv as [string, string, string]
const { origin } = new URL(page)

/** Seconds with each connection. */
const patience = 2000

let id = ''
for (;;) await follow()

/** Listens for a while, and remembers the newest connection for the next time. */
function follow(): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = get(`${origin}/api/events?sort=rate${id && `&connection=${id}`}`, response => {
      let last = ''
      response.setEncoding('utf8').on('data', (text: string) => {
        last = (last + text).slice(-20_000)
        const found = [...last.matchAll(/"id":"(\w+)","number":\d+/g)].at(-1)
        if (found) id = found[1] as string
      })
      setTimeout(() => {
        request.destroy()
        resolve()
      }, patience)
    })
    request.on('error', error => (request.destroyed ? resolve() : reject(error)))
  })
}
