/** `--receipt`: the receipts as JSON, one per line. */
import { open } from 'node:fs/promises'
import type { SendReceipt } from '../lib/index.js'
import { errorMessage, TcpPipeError } from '../lib/text/errors.js'

export interface Receipts {
  add(receipt: SendReceipt): Promise<void>
  close(): Promise<void>
}

/** Creates the file, or continues it. Throws `ERR_OPTION` if it cannot be written. */
export async function openReceipts(path: string): Promise<Receipts> {
  const file = await open(path, 'a').catch(cause => {
    const why = errorMessage(cause).replace(/, \w+ '.*'$/, '')
    throw new TcpPipeError('ERR_OPTION', `--receipt: '${path}' cannot be written: ${why}`, { cause })
  })
  return {
    async add({ summary: _, ...receipt }) {
      await file.appendFile(`${JSON.stringify(receipt)}\n`)
    },
    close: () => file.close(),
  }
}
