import { join } from 'node:path'
import t from 'tap'
import { pageFiles } from '../../../lib/ui/files.js'

t.test('the files of a page, beside it or above', async t => {
  const page = { 'index.html': '<p>', 'a.css': 'a', more: { 'b.js': 'b', 'c.svg': 'c', 'd.secret': 'd' } }
  const dir = t.testdir({ page, inner: { bundle: {} }, 'outside.js': 'x' })
  for (const start of [dir, join(dir, 'inner/bundle')]) {
    const files = pageFiles(start)
    for (const [path, type, body] of [
      ['/', 'text/html; charset=utf-8', '<p>'],
      ['/index.html', 'text/html; charset=utf-8', '<p>'],
      ['/a.css', 'text/css; charset=utf-8', 'a'],
      ['/more/b.js', 'text/javascript; charset=utf-8', 'b'],
      ['/more/c.svg', 'image/svg+xml', 'c'],
    ] as const)
      t.same(files(path), { type, body: Buffer.from(body) }, path)
    for (const path of ['', '/x', '/more', '/more/', '/more/d.secret', '/../outside.js', '//a.css', '/constructor'])
      t.equal(files(path), undefined, path)
  }
})

t.test('ours', async t => {
  t.match(String(pageFiles()('/')?.body), /<!doctype html>/i)
})

t.test('without files', async t => {
  t.throws(() => pageFiles('/'), {
    code: 'ERR_OPTION',
    message: 'the files of the page are missing; expected tcp-pipe/dist/page',
  })
})
