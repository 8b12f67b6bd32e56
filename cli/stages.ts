/** The stages that options name. Imports the transforms only if needed, because that takes 40 ms. */
import { pipeline, Writable } from 'node:stream'
import type { Sink } from '../lib/endpoints/endpoint.js'
import { sharedSink } from '../lib/endpoints/stdio.js'
import type { Stage } from '../lib/stages/stage.js'
import { escape as escapeControls } from '../transforms/escape.js'

/**
 * Makes stages from the texts of `-t`. Returns a function, because a stream can be used only once.
 *
 * @throws `ERR_SPEC`, or `ERR_MODULE` for a file
 */
export async function loadStages(specs: readonly string[] = []): Promise<() => Stage[]> {
  if (specs.length === 0) return () => []
  const { loadSpec } = await import('../transforms/spec.js')
  return loadSpec(...specs)
}

/** Makes bytes from the network safe: if stdout is a terminal, escapes control characters unless `raw` is set. */
export function terminalStages(raw: boolean | undefined): Stage[] {
  return process.stdout.isTTY && !raw ? [escapeControls()] : []
}

/** The sink of one connection on stdout, with control characters escaped. */
export function escapedStdout(): Sink {
  const stage = escapeControls()
  const stdout = Object.assign(sharedSink(process.stdout), { lines: true })
  const sink = new Writable({
    write: (chunk, encoding, callback) => void stage.write(chunk, encoding, callback),
    final(callback) {
      stdout.once('finish', callback)
      stage.end()
    },
    destroy(error, callback) {
      stage.destroy(error ?? undefined)
      callback(error)
    },
  })
  pipeline(stage, stdout, error => error && sink.destroy(error))
  return sink
}
