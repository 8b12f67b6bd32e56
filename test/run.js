/**
 * Runs the compiled tests by plain node, several at once, without coverage: `node test/run.js [dist/test/….test.js …]`.
 * Prints a line for each file and what it skipped, and of a file that failed all that did not pass. Ends with 1 if any
 * failed.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'

/** Seconds after which a test ends itself, and after which it is killed. */
const timeout = 240
const deadline = timeout + 30

/** One more than there are cores: tests wait a lot. */
const jobs = availableParallelism() + 1

/** Those that take longest start first. */
const long = [
  ...['e2e/progress', 'e2e/timeouts', 'e2e/verdict', 'laws/cuts', 'laws/laws', 'e2e/limits', 'project/coming-from'],
  ...['e2e/tls', 'e2e/top', 'e2e/churn', 'e2e/signals', 'laws/errors', 'e2e/tls-proxy', 'e2e/load'],
].map(name => `dist/test/${name}.test.js`)

const files = process.argv.length > 2 ? process.argv.slice(2) : all()
const queue = files.values()
const failed = []
const work = async () => {
  for (const file of queue) {
    const reasons = await reasonsAgainst(file)
    if (reasons) failed.push({ file, reasons })
  }
}
await Promise.all(Array.from({ length: jobs }, work))
for (const { file, reasons } of failed) {
  console.log(`FAILED ${file}`)
  for (const line of reasons) console.log(`  ${line}`)
}
console.log(`${files.length - failed.length} files passed, ${failed.length} failed`)
process.exitCode = failed.length > 0 || files.length === 0 ? 1 : 0

function all() {
  const names = readdirSync('dist/test', { recursive: true }).filter(name => name.endsWith('.test.js'))
  return [...new Set([...long, ...names.map(name => join('dist/test', name)).sort()])]
}

/** Runs a test. Returns undefined if it passes, otherwise what it said of each check that failed. */
async function reasonsAgainst(file) {
  const start = performance.now()
  const { reason, output, errors } = await run(file)
  const time = `${((performance.now() - start) / 1000).toFixed(1)} s`
  console.log(reason ? `FAILED ${file}: ${reason}, ${time}` : `ok ${file}, ${time}`)
  const lines = output.split('\n').filter(line => !/^ *ok /.test(line) || / # (SKIP|TODO)/.test(line))
  const shown = reason ? [...lines, ...errors.split('\n')] : lines.filter(line => /^ *ok /.test(line))
  for (const line of shown) console.log(`  ${line}`)
  return reason && failures(output)
}

/** The innermost checks that failed, each with at most 30 lines of its explanation. */
function failures(output) {
  const lines = output.split('\n')
  return lines.flatMap((line, at) => {
    const [, margin] = /^( *)not ok (?!.* # (TODO|SKIP))/.exec(line) ?? []
    if (margin === undefined || lines[at + 1] !== `${margin}  ---`) return []
    const end = lines.indexOf(`${margin}  ...`, at)
    const said = lines.slice(at, Math.min(end + 1, at + 30))
    return said.some(word => /\b(diff|found|stack|signal|expired):/.test(word)) ? said : []
  })
}

/** A test, run to its end: what it printed, and why it has failed if it has. */
async function run(file) {
  const env = { ...process.env, TAP_TIMEOUT: String(timeout) }
  const child = spawn(process.execPath, [file], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', text => {
    output += text
  })
  child.stderr.setEncoding('utf8').on('data', text => {
    errors += text
  })
  const closed = once(child, 'close')
  let late = false
  const timer = setTimeout(() => {
    late = true
    child.kill('SIGKILL')
  }, deadline * 1000)
  const [code, signal] = await once(child, 'exit')
  clearTimeout(timer)
  const held = await longer(closed, 5000)
  child.stdout.destroy()
  child.stderr.destroy()
  const reason = late
    ? `still running after ${deadline} s`
    : held
      ? 'a process that it has left behind holds its output'
      : failure(code, signal, output)
  return { reason, output, errors }
}

/** Why a test has failed that ended so and printed this, or undefined. */
function failure(code, signal, output) {
  if (signal !== null) return `ended by ${signal}`
  if (code !== 0) return `exit code ${code}`
  if (/^ *not ok (?!.* # (TODO|SKIP))/m.test(output)) return 'not ok'
  const plan = /^1\.\.(\d+)( # .*)?$/m.exec(output)
  if (plan === null) return 'it ended without a plan'
  const results = output.match(/^(not )?ok \d+/gm)?.length ?? 0
  if (results !== Number(plan[1])) return `${plan[1]} tests were planned, ${results} ended`
  if (results === 0 && plan[2] === undefined) return 'it has no tests'
}

/** Whether the promise takes longer than so many milliseconds. */
async function longer(promise, time) {
  let timer
  const late = new Promise(resolve => {
    timer = setTimeout(resolve, time, true)
  })
  const result = await Promise.race([promise.then(() => false), late])
  clearTimeout(timer)
  return result
}
