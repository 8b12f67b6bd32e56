/** Files that are the inside of another one, and tested at its seam: by the test of that one. */
export const insides = {
  'lib/connection/transfer.ts': ['lib/connection/links.ts', 'lib/connection/pipes.ts', 'lib/connection/segments.ts'],
  'lib/connection/connection.ts': [
    'lib/connection/failure.ts',
    'lib/connection/state.ts',
    'lib/connection/streams.ts',
    'lib/connection/watch-bytes.ts',
  ],
  'lib/connection/parting.ts': ['lib/connection/talk.ts'],
  'lib/endpoints/session/session.ts': [
    'lib/endpoints/session/attachment.ts',
    'lib/endpoints/session/ending.ts',
    'lib/endpoints/session/peer-frames.ts',
    'lib/endpoints/session/session-stream.ts',
  ],
  'lib/endpoints/session/listen.ts': [
    'lib/endpoints/session/expected-groups.ts',
    'lib/endpoints/session/finished.ts',
    'lib/endpoints/session/next-hello.ts',
  ],
  'lib/endpoints/nats/address.ts': ['lib/endpoints/nats/parameters.ts'],
  'lib/endpoints/nats/sink.ts': ['lib/endpoints/nats/publisher.ts'],
  'lib/endpoints/nats/source.ts': ['lib/endpoints/nats/reader.ts', 'lib/endpoints/nats/settling.ts'],
  'lib/pipe.ts': ['lib/pipe/ends.ts', 'lib/pipe/options.ts'],
  'lib/serve.ts': ['lib/server/handler.ts'],
  'lib/send.ts': ['lib/connection/acknowledge.ts', 'lib/send/options.ts', 'lib/send/send-error.ts'],
  'lib/ui.ts': ['lib/ui/open.ts', 'lib/ui/page.ts', 'lib/ui/shown.ts'],
  'lib/ui/api.ts': ['lib/ui/body.ts', 'lib/ui/desk.ts', 'lib/ui/figures.ts'],
  'lib/ui/breakpoints.ts': ['lib/ui/breakpoint.ts', 'lib/ui/holds.ts'],
  'lib/ui/keep.ts': ['lib/ui/block.ts'],
  'lib/server/server.ts': [
    'lib/connection/work.ts',
    'lib/server/admission.ts',
    'lib/server/closing.ts',
    'lib/server/state.ts',
  ],
}

/** A test covers the file whose path it mirrors, and its insides; tests of whole programs cover none. */
export default test => {
  if (!/^dist\/test\/(lib|transforms)\//.test(test)) return null
  const source = test.replace(/^dist\/test\//, '').replace(/\.test\.js$/, '.ts')
  return [source, ...(insides[source] ?? [])]
}
