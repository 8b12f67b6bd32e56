/**
 * Runs the compiled tests by plain node, several at once, without coverage: `node test/run.js [dist/test/….test.js …]`.
 * Prints a line for each file, and its output but for what passed if it failed. Ends with 1 if any failed.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

/** Seconds after which a test ends itself, and after which it is ended. */
const timeout = 120
const deadline = timeout + 30

/** Those that take longest start first. */
const long = ['dist/test/laws/laws.test.js']

/** Why a test has failed that ended so and printed this, or undefined. */
function failure(code, signal, output) {
  if (signal !== null) return `ended by ${signal}`
  if (code !== 0) return `exit code ${code}`
  if (/^ *not ok (?!.*# (TODO|SKIP))/m.test(output)) return 'not ok'
  const plan = /^1\.\.(\d+)(?: # .*)?$/m.exec(output)
  if (plan === null) return 'ended without a plan'
  const results = output.match(/^(not )?ok \d+/gm)?.length ?? 0
  if (results !== Number(plan[1])) return `${plan[1]} tests were planned, ${results} ended`
  if (results === 0 && !plan[0].includes('# ')) return 'no tests'
}

async function run(file) {
  const start = performance.now()
  const env = { ...process.env, TAP_TIMEOUT: String(timeout) }
  const child = spawn(process.execPath, [file], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const timer = setTimeout(() => child.kill('SIGKILL'), deadline * 1000)
  const [output, errors, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ])
  clearTimeout(timer)
  const reason = failure(code, signal, output)
  const time = `${((performance.now() - start) / 1000).toFixed(1)} s`
  console.log(reason ? `FAILED ${file}: ${reason}, ${time}` : `ok ${file}, ${time}`)
  const lines = output.split('\n')
  const shown = reason ? [...lines.filter(line => !/^ *ok /.test(line)), errors] : []
  for (const line of [...lines.filter(line => /^ *ok .*# (SKIP|TODO)/.test(line)), ...shown]) console.log(`  ${line}`)
  return reason === undefined
}

/** All compiled tests. */
function all() {
  const names = readdirSync('dist/test', { recursive: true }).filter(name => name.endsWith('.test.js'))
  return [...new Set([...long, ...names.map(name => join('dist/test', name)).sort()])]
}

const files = process.argv.length > 2 ? process.argv.slice(2) : all()
const queue = files.values()
const failed = []
const worker = async () => {
  for (const file of queue) if (!(await run(file))) failed.push(file)
}
await Promise.all(Array.from({ length: availableParallelism() + 1 }, worker))
for (const file of failed) console.log(`FAILED ${file}`)
console.log(`${files.length - failed.length} files passed, ${failed.length} failed`)
process.exitCode = failed.length > 0 || files.length === 0 ? 1 : 0
