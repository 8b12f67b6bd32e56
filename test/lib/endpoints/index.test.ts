import t from 'tap'
import { parseAddress } from '../../../lib/endpoints/address.js'
import type { Endpoint } from '../../../lib/endpoints/endpoint.js'
import { endpoints } from '../../../lib/endpoints/index.js'
import { files, read } from '../../project/support.js'

const table = endpoints as unknown as readonly Endpoint[]

/** A text for each form. */
const texts: Record<string, string> = {
  'unix:path': 'unix:/run/x',
  port: '80',
  ':port': ':80',
  '[::1]:port': '[::1]:80',
  'listen:address': 'listen:unix:/run/x',
}

/** `a[+b]://host:port` stands for two forms. */
function textsOf(form: string): string[] {
  const [, before, optional, after] = /^(\w+)\[(\+\w+)\](.*)$/.exec(form) ?? []
  const forms = before === undefined ? [form] : [`${before}${after}`, `${before}${optional}${after}`]
  return forms.map(each => texts[each] ?? each.replace(/port$/, '80'))
}

t.test('each endpoint is one file of its name, and one line of the table', async t => {
  const named = files('lib/endpoints', '.ts').filter(
    path => /defineEndpoint</.test(read(path)) && !/endpoint\.ts$/.test(path),
  )
  t.same(table.map(({ scheme }) => `lib/endpoints/${scheme}.ts`).sort(), named)
  t.equal(new Set(table.map(({ scheme }) => scheme)).size, table.length)
})

t.test('each form is read by its own endpoint, and is no other one', async t => {
  for (const { scheme, syntax } of table) {
    t.ok(syntax.length > 0, scheme)
    for (const text of syntax.flatMap(textsOf)) {
      t.equal(parseAddress(text).scheme, scheme, text)
      t.same(
        table
          .slice(0, -1)
          .filter(each => each.accepts(text))
          .map(each => each.scheme),
        scheme === table.at(-1)?.scheme ? [] : [scheme],
        text,
      )
    }
  }
})

t.test('each endpoint reads what it writes, and completes what is complete', async t => {
  for (const endpoint of table) {
    for (const text of endpoint.syntax.flatMap(textsOf)) {
      const address = endpoint.parse(text)
      t.strictSame(endpoint.parse(endpoint.format(address)), address, text)
      t.strictSame(endpoint.complete(address), address, text)
    }
  }
})

t.test('each endpoint says in one line what it is, and can do something', async t => {
  for (const { scheme, summary, listen, dial, source, sink } of table) {
    t.match(summary, /^[^\n]{3,100}$/, scheme)
    t.ok(listen || dial || source || sink, scheme)
  }
})

t.test('only the last one takes every text', async t => {
  t.same(
    table.filter(({ accepts }) => accepts('no scheme')).map(({ scheme }) => scheme),
    [table.at(-1)?.scheme],
  )
})
