import t from 'tap'
import { jsonScanner } from '../../../lib/formats/json.js'
import { plainReader } from '../../../lib/formats/plain-json.js'
import { cutEvery } from '../pipes.js'

/** Reads chunks. A value that is not copied is written after a `:`. */
function read(chunks: Buffer[], maxRecord = 1000) {
  const scanner = jsonScanner(maxRecord)
  const decoder = new TextDecoder()
  const result = { text: '', copied: 0, scans: 0 }
  const scan = (chunk: Buffer, found: unknown[]) => {
    result.scans++
    scanner.write(decoder.decode(chunk, { stream: true }), found)
  }
  const reader = plainReader(scanner, scan, maxRecord, values => {
    result.copied += values
  })
  const found: unknown[] = []
  try {
    for (const chunk of chunks) reader(chunk, found)
    scanner.end(found)
  } finally {
    result.text = found.map(each => (each instanceof Buffer ? each : `:${JSON.stringify(each)}\n`)).join('')
  }
  return result
}

t.test('lines are copied from the second on, and others scanned', async t => {
  for (const [text, expected, copied] of [
    ['', '', 0],
    ['{"a": 1}\n{"a": 2}\n[3]\n', ':{"a":1}\n{"a":2}\n[3]\n', 2],
    ['\ufeff1\n2\n', ':1\n2\n', 1],
    ['1\n2\n1.0\n4\n', ':1\n2\n:1\n:4\n', 1],
    [`1\n1.0\n${'2\n'.repeat(70)}`, `:1\n:1\n${':2\n'.repeat(30)}${'2\n'.repeat(40)}`, 40],
    ['1\n\n2\n', ':1\n2\n', 1],
    ['1\n2\n{"a":\n1}\n', ':1\n2\n:{"a":1}\n', 1],
    ['1\n2\n3', ':1\n2\n:3\n', 1],
  ] as const) {
    const result = read([Buffer.from(text)])
    t.strictSame([result.text.replaceAll(':', ''), result.copied > 0], [expected.replaceAll(':', ''), copied > 0], text)
  }
})

t.test('the same values, however the input is cut', async t => {
  const text = '\ufeff1\n{"a": "é"}\n{\n"b": 2}\n3 4\n\n"\ufeff" \n5\n{"a" : 6}\n7.0\n8\n9'
  const expected = read([Buffer.from(text)]).text.replaceAll(/^:/gm, '')
  for (let size = 1; size < text.length; size++)
    t.equal(read(cutEvery(size, Buffer.from(text))).text.replaceAll(/^:/gm, ''), expected)
})

t.test('an error names its line', async t => {
  t.throws(() => read([Buffer.from('1\n\n2\n3\n{"a":1,"a":2}\n')]), { code: 'ERR_JSON', message: /^line 5: duplicate/ })
  t.throws(() => read([Buffer.from('1\n2\n"12345678"\n')], 9), { code: 'ERR_RECORD_TOO_LONG' })
  t.throws(
    () => read([Buffer.from('1\n2\n\ufeff3\n')]),
    { code: 'ERR_JSON', message: /^line 3: / },
    'a mark is for the start',
  )
})

t.test('where few lines are plain, few are tried', async t => {
  const { scans, copied } = read([Buffer.from('1.0\n'.repeat(100_000))])
  t.equal(copied, 0)
  t.ok(scans < 30, `${scans} scans`)
})
