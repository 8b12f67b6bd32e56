import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { node, read } from './support.js'

const run = promisify(execFile)
const blocks = [...read('docs/writing-a-transform.md').matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code as string)

/** A block that begins with the name of a file is that file; the others are programs, with what they print. */
t.test('the code of docs/writing-a-transform.md does what it says', async t => {
  const cwd = t.testdir()
  let programs = 0
  for (const code of blocks) {
    const [, file] = /^\/\/ (\S+\.js)\n/.exec(code) ?? []
    await writeFile(join(cwd, file ?? 'program.js'), code)
    if (file) continue
    programs++
    const expected = [...code.matchAll(/^\/\/ → (.*)$/gm)].map(([, line]) => line)
    const { stdout } = await run('env', [...node, 'program.js'], { cwd, timeout: 30_000 })
    t.same(stdout.trimEnd().split('\n'), expected, code)
  }
  t.equal(programs * 2, blocks.length, 'each file is followed by a program that uses it')
})
