import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openReceipts } from '../../cli/receipts.js'
import type { SendReceipt, Summary } from '../../lib/index.js'

const receipt = (name: string): SendReceipt => ({
  ...{ name, bytes: 3, sha256: 'ab'.repeat(32), duration: 5, reconnects: 1 },
  summary: { id: 'a1' } as Summary,
})

const lines = (path: string) =>
  readFileSync(path, 'utf8')
    .split('\n')
    .map(line => line && JSON.parse(line))

t.test('a receipt is a line of JSON, without the summary, when add resolves', async t => {
  const path = join(t.testdir(), 'r')
  const receipts = await openReceipts(path)
  t.equal(readFileSync(path, 'utf8'), '', 'the file is there before the first receipt')
  const { summary: _, ...kept } = receipt('a\nb')
  await receipts.add(receipt('a\nb'))
  t.strictSame(lines(path), [kept, ''])
  const skipped = { ...receipt('c'), skipped: true } as const
  await receipts.add(skipped)
  t.match(lines(path), [{ name: 'a\nb' }, { name: 'c', skipped: true }, ''])
  await receipts.close()
})

t.test('a file that is there is continued', async t => {
  const path = join(t.testdir(), 'r')
  writeFileSync(path, '{"name":"earlier"}\n')
  const receipts = await openReceipts(path)
  await receipts.add(receipt('later'))
  await receipts.close()
  t.match(lines(path), [{ name: 'earlier' }, { name: 'later' }, ''])
})

t.test('one that cannot be opened is refused, in words', async t => {
  const dir = t.testdir({})
  for (const [path, why] of [
    [join(dir, 'none/r'), 'ENOENT: no such file or directory'],
    [dir, 'EISDIR: illegal operation on a directory'],
  ] as const)
    await t.rejects(openReceipts(path), {
      code: 'ERR_OPTION',
      message: `--receipt: '${path}' cannot be written: ${why}`,
    })
})

t.test('a disk that is full', { skip: !existsSync('/dev/full') && 'there is no /dev/full' }, async t => {
  const receipts = await openReceipts('/dev/full')
  await t.rejects(receipts.add(receipt('a')), { code: 'ENOSPC' })
  await receipts.close()
})
