import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { parseAddress } from '../../../../lib/endpoints/address.js'
import { type Also, descriptorsOf, resolveAlso } from '../../../../lib/endpoints/fan-out/options.js'
import { memorySink, socketPath } from '../../network.js'

t.test('the defaults of each policy', async t => {
  const stream = memorySink()
  const plans = await resolveAlso([
    { to: '127.0.0.1:4000' },
    { to: 'memory:x', slow: 'drop' },
    { to: stream, fail: 'continue' },
  ])
  t.match(plans, [
    { name: '127.0.0.1:4000', slow: 'block', fail: 'end' },
    { name: 'memory:x', slow: 'drop', fail: 'continue' },
    { name: 'stream', to: stream, slow: 'block', fail: 'continue' },
  ])
  t.equal(descriptorsOf(plans), 2)
  t.same(await resolveAlso(undefined), [])
  const folder = join(dirname(socketPath(t)), 'spool')
  const [spooling, ...rest] = await resolveAlso([{ to: ':4000', slow: 'spool', spool: { folder } }])
  t.same(rest, [])
  t.match(spooling, { slow: 'spool', fail: 'end', spool: { folder } })
  t.equal(descriptorsOf(spooling ? [spooling] : []), 2)
})

t.test('what is refused before anything is opened', async t => {
  const file = join(dirname(socketPath(t)), 'taken')
  writeFileSync(file, '')
  const cases: [unknown, RegExp][] = [
    [{}, /^also: expected a list of objects with the property to$/],
    [[1], /^options: 1 is not allowed; expected an object$/],
    [[{ to: 1 }], /^also: a number is not allowed; expected a Writable, a WritableStream or an address$/],
    [[{ to: 'nowhere' }], /^'nowhere' has no port/],
    [[{ to: ':1', slow: 'wait' }], /^also: slow: wait is not allowed; expected block, drop or spool$/],
    [[{ to: ':1', fail: 'stop' }], /^also: fail: stop is not allowed; expected continue or end$/],
    [[{ to: 'listen::1' }], /^also: 'listen:.*:1' is not allowed: a further sink waits for no client$/],
    [[{ to: ':1', slow: 'spool' }], /^also: the policy spool needs spool: the folder for what waits$/],
    [[{ to: ':1', slow: 'spool', spool: { folder: 1 } }], /^folder: 1 is not allowed; expected a text$/],
    [[{ to: ':1', spool: { folder: 'x' } }], /^also: spool needs a sink whose policy is spool$/],
    [[{ to: 'file:x', slow: 'spool', spool: { folder: 'x' } }], /^also: spool is for an address to connect to/],
    [[{ to: memorySink(), slow: 'spool', spool: { folder: 'x' } }], /^also: spool is for an address to connect to/],
    [[{ to: ':1', slow: 'spool', spool: { folder: `/${'x'.repeat(91)}` } }], /has 92 bytes as a path; at most 91$/],
    [[{ to: ':1', slow: 'spool', spool: { folder: '/dev/null/x' } }], /^spool: /],
    [[{ to: ':1', slow: 'spool', spool: { folder: file } }], /^spool: .*taken' is no folder$/],
    [[{ to: ':3099' }], /^also: '127.0.0.1:3099' is in use already/],
    [[{ to: ':4000' }], /^also: '127.0.0.1:4000' is in use already/],
    [
      [{ to: ':1' }, { to: '127.0.0.1:1' }],
      /^also: '127.0.0.1:1' is in use already: each sink needs a place of its own$/,
    ],
    [[{ to: `file:${file}` }], /^also: '.*taken' exists/],
    [[{ to: 'file:{x}' }], /'\{x\}' is not a placeholder/],
  ]
  for (const [also, message] of cases)
    await t.rejects(
      resolveAlso(also as Also[], parseAddress(':3099'), parseAddress(':4000')),
      { message },
      String(message),
    )
})

t.test('port 0 is another one each time', async t => {
  t.equal((await resolveAlso([{ to: ':1' }], parseAddress(':0'))).length, 1)
})
