import { JetStreamApiError, JetStreamError } from '@nats-io/jetstream'
import { errors } from '@nats-io/transport-node'
import t from 'tap'
import type { NatsAddress } from '../../../../lib/endpoints/nats/address.js'
import { failure, finalWords, natsError } from '../../../../lib/endpoints/nats/faults.js'

const address: NatsAddress = { scheme: 'nats', servers: [{ host: 'h', port: 1 }], subject: 'x', token: 's3cret' }

function api(err_code: number, code: number, description = 'no'): Error {
  return new JetStreamApiError({ err_code, code, description })
}

function status(code: number, message: string): Error {
  return Object.assign(new JetStreamError(message), { code })
}

t.test('what trying again does not mend, and what helps', async t => {
  for (const [error, words] of [
    [new errors.PermissionViolationError('no right', 'publish', 'x'), /does not permit it \(no right\); give the user/],
    [new errors.AuthorizationError('no'), /refuses the credentials \(no\); check .* NATS_NKEY/],
    [new errors.UserAuthenticationExpiredError('old'), /refuses the credentials/],
    [new errors.ClosedConnectionError(), /is closed/],
    [new errors.DrainingConnectionError(), /is closed/],
    [new errors.InvalidArgumentError('wrong'), /^wrong$/],
    [new errors.InvalidSubjectError('a b'), /a b/],
    [api(10077, 503, 'maximum bytes exceeded'), /says 'maximum bytes exceeded'; raise the limits of the stream/],
    [api(10059, 404), /make the stream again/],
    [api(1, 400, 'bad'), /^the server says 'bad'$/],
    [status(400, 'bad request'), /'bad request'/],
    [status(409, 'consumer deleted'), /'consumer deleted'/],
    [status(409, 'exceeded maxrequestbatch of 1'), /maxrequestbatch/],
  ] as const) {
    t.match(finalWords(error), words)
    t.match(finalWords(new Error('around it', { cause: error })), words)
  }
})

t.test('what goes away', async t => {
  for (const error of [
    new errors.TimeoutError(),
    new errors.NoRespondersError('x'),
    new errors.ConnectionError('away'),
    api(10008, 503),
    status(409, 'leadership change'),
    new Error('other'),
    'text',
    undefined,
  ])
    t.equal(finalWords(error), undefined)
})

t.test('an error names its address, without secrets, and what has failed', async t => {
  const error = natsError(address, 'words')
  t.match(error, { code: 'ERR_NATS', message: 'nats://***@h:1/x: words' })
  t.equal(failure(address, 'x', error), error)
  t.equal(failure(address, 'it failed', new Error('why')).message, 'nats://***@h:1/x: it failed: why')
  t.match(failure(address, 'it failed', api(1, 400, 'bad')).message, "it failed: the server says 'bad'")
})
