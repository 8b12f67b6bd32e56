// What one would write without this project: the lines that match, by split2 in a plain pipeline.
import { createWriteStream } from 'node:fs'
import { createServer } from 'node:net'
import { pipeline } from 'node:stream/promises'
import split2 from 'split2'

const server = createServer(async socket => {
  server.close()
  await pipeline(
    socket,
    split2(line => (/ERROR/.test(line) ? `${line}\n` : undefined)),
    createWriteStream('/dev/null'),
  )
}).listen(Number(process.argv[2]), '127.0.0.1')
