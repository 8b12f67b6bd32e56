import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { type Duplex, PassThrough, Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import type { Connection } from '../../lib/connection/connection.js'
import { send } from '../../lib/send.js'
import { serve } from '../../lib/serve.js'
import { compose } from '../../lib/stages/compose.js'
import type { ConnectionInfo } from '../../lib/stages/context.js'
import type { Summary } from '../../lib/stats/summary.js'
import { exec } from '../../transforms/exec.js'
import { spec } from '../../transforms/spec.js'
import { connection, memoryLog, needs, noise } from '../laws/support.js'
import { cutEvery, errorOf, type Input, planned, run, settled, source, textOf } from '../lib/pipes.js'

const script = (text: string) => exec({ command: ['sh', '-c', text] })

/** The programs that this process has started and that have not ended. */
function programs(): number {
  return process.getActiveResourcesInfo().filter(name => name === 'ProcessWrap').length
}

async function untilNoPrograms(): Promise<number> {
  for (const end = Date.now() + 5000; programs() > 0 && Date.now() < end; ) await setImmediate()
  return programs()
}

async function end(stage: Duplex): Promise<void> {
  stage.destroy()
  await untilNoPrograms()
}

t.test('what a program makes of its stdin', async t => {
  for (const [command, input, expected] of [
    [['cat'], '', ''],
    [['cat'], 'one\ntwo', 'one\ntwo'],
    [['/bin/cat', '-'], 'one', 'one'],
    [['tr', 'a-z', 'A-Z'], 'one', 'ONE'],
    [['wc', '-c'], '', '0\n'],
    [['head', '-1'], 'one\ntwo\n', 'one\n'],
    [['true'], 'one', ''],
    [['sh', '-c', 'exec <&-; echo closed'], 'one', 'closed\n'],
    [['sh', '-c', 'echo one; exec >&-; cat >&2'], '', 'one\n'],
  ] as [string[], Input, string][]) {
    t.equal(await textOf([exec({ command })], input), expected, command.join(' '))
  }
  const bytes = noise(1_000_000)
  const { chunks } = await run([exec({ command: ['cat'] })], cutEvery(9999, bytes))
  t.ok(Buffer.concat(chunks).equals(bytes), 'a million bytes')
})

t.test('no shell interprets the words (E-07)', async t => {
  const words = ['$(id)', '`id`', ';', '|', '> file', 'a\nb', '-x', '*', '', '$HOME', "'", '\\']
  const shown = words.map(word => `[${word}]`).join('')
  t.equal(await textOf([exec({ command: ['printf', '[%s]', ...words] })], ''), shown)
})

t.test('in a spec all words belong to the command', async t => {
  t.equal(await textOf(spec("exec printf '[%s]' command=x a=b -n")(), ''), '[command=x][a=b][-n]')
  t.equal(await textOf(spec("exec env A=1 sh -c 'echo $A' | exec tr 1 2")(), ''), '2\n')
})

t.test('a program that fails: what it has written, then the error', async t => {
  for (const [text, output, message] of [
    ['cat; exit 3', 'input', 'exec: sh failed with exit code 3'],
    ['exit 1', '', 'exec: sh failed with exit code 1'],
    ['cat; kill -KILL $$', 'input', 'exec: sh was killed by SIGKILL'],
    ['echo one >&2; echo two >&2; exit 9', '', 'exec: sh failed with exit code 9: two'],
    ['printf "one\\n\\ntwo" >&2; exit 9', '', 'exec: sh failed with exit code 9: two'],
    ['printf "one\\n\\n\\n" >&2; exit 9', '', 'exec: sh failed with exit code 9: one'],
    ['printf "\\033]0;x\\007\\302\\233" >&2; exit 9', '', 'exec: sh failed with exit code 9: \\e]0;x\\x07\\x9b'],
    [`printf %5000d 0 >&2; exit 9`, '', `exec: sh failed with exit code 9: ${' '.repeat(1024)}…`],
    [`printf '%5000d\\n' 0 >&2; exit 9`, '', `exec: sh failed with exit code 9: ${' '.repeat(1024)}…`],
  ] as const) {
    const { error, text: written } = await run([script(text)], 'input')
    t.match(error, { code: 'ERR_EXEC', message }, text)
    t.equal(written, output)
  }
})

t.test('the error waits for a slow reader', async t => {
  for (const size of [10, 100_000]) {
    const stage = planned([script(`head -c ${size} /dev/zero; exit 3`)]).streams[0] as Duplex
    stage.end()
    await once(stage, 'readable')
    await untilNoPrograms()
    let read = 0
    const slowly = async () => {
      for await (const chunk of stage) {
        read += chunk.length
        await setImmediate()
      }
    }
    await t.rejects(slowly(), { message: 'exec: sh failed with exit code 3' })
    t.equal(read, size)
  }
})

t.test('each line on stderr is logged (C-12)', async t => {
  const { log, lines } = memoryLog()
  const text = `printf 'one\\n\\ntwo \\r%s\\nthree' '{"level":60}' >&2; cat`
  t.equal(await textOf([script(text)], 'input', { log, connection }), 'input')
  t.same(
    lines,
    ['one', 'two \\r{"level":60}', 'three'].map(stderr => {
      return { level: 40, direction: 'reply', program: 'sh', stderr, msg: 'exec' }
    }),
  )
})

t.test('no program before the first chunk or the end', async t => {
  await untilNoPrograms()
  const stage = exec({ command: ['cat'] })
  stage.on('data', () => {})
  await setImmediate()
  t.equal(programs(), 0)
  stage.write('one')
  t.equal(programs(), 1)
  stage.end()
  await once(stage, 'close')
  t.equal(await untilNoPrograms(), 0)
})

/** A source that never waits and never ends, and how often it was read. */
function endlessSource(): Readable & { reads: number } {
  const endless = Object.assign(
    new Readable({ read: () => void endless.push(Buffer.alloc(65_536, `${++endless.reads % 9}yes\n`)) }),
    { reads: 0 },
  )
  return endless
}

function collector(): { to: () => Writable; text(): string } {
  let text = ''
  const write = (chunk: Buffer, _encoding: string, callback: () => void) => {
    text += chunk
    callback()
  }
  return { to: () => new Writable({ write }), text: () => text }
}

t.test('a program that ends before its input: the end comes, and what follows is discarded', async t => {
  const stage = exec({ command: ['head', '-c', '5'] })
  const endless = endlessSource()
  endless.pipe(stage)
  const chunks: Buffer[] = []
  stage.on('data', chunk => chunks.push(chunk))
  await once(stage, 'end')
  t.equal(String(Buffer.concat(chunks)), '1yes\n')
  const { reads } = endless
  while (endless.reads < reads + 10) await setImmediate()
  await end(stage)
})

t.test('serve with a client that does not stop to send', async t => {
  for (const text of ['exec head -1', 'exec cat | exec head -1', 'exec head -1 | exec cat', 'hex | exec head -1']) {
    const { to, text: written } = collector()
    const ends: Promise<Summary>[] = []
    const onConnection = ({ closed }: Connection) => ends.push(closed)
    await using server = await serve({ port: 0, to, transforms: spec(text), onConnection })
    const client = connect(server.address.port).on('error', () => {})
    const endless = endlessSource()
    endless.pipe(client)
    await new Promise(resolve => client.once('close', resolve))
    endless.destroy()
    const { closedBy, error } = (await ends[0]) as Summary
    t.same([closedBy, error], ['local', undefined], text)
    t.match(written(), /^(1yes|00000000 .*)\n$/)
    t.equal(await untilNoPrograms(), 0)
  }
})

t.test('send with a source that does not end', async t => {
  const { to, text } = collector()
  await using server = await serve({ port: 0, to })
  const { bytesOut } = await send({
    port: server.address.port,
    from: endlessSource(),
    output: collector().to(),
    transforms: spec('exec cat | exec head -1'),
  })
  t.equal(bytesOut, 5)
  t.equal(text(), '1yes\n')
  t.equal(await untilNoPrograms(), 0)
})

t.test('a program that fails resets its connection, and no other', async t => {
  const ends: Promise<Summary>[] = []
  await using server = await serve({
    port: 0,
    reply: true,
    transforms: () => [script('read line; test "$line" = good && echo "$line"')],
    onConnection: ({ closed }) => ends.push(closed),
  })
  const [good, bad] = [connect(server.address.port), connect(server.address.port)]
  bad.end('bad\n')
  await t.rejects(once(bad.resume(), 'end'), { code: 'ECONNRESET' })
  good.end('good\n')
  t.equal(String(await once(good, 'data')), 'good\n')
  const failed = (await Promise.all(ends)).filter(({ error }) => error)
  t.match(failed, [{ closedBy: 'error', error: { message: 'exec: sh failed with exit code 1' } }])
  t.equal(failed.length, 1)
})

t.test('a program that does not read stops the source', async t => {
  let taken = 0
  const stage = exec({ command: ['sleep', '100'] })
  const from = source(cutEvery(16_384, noise(4 * 2 ** 20))).on('data', chunk => {
    taken += chunk.length
  })
  from.pipe(stage)
  t.ok((await settled(() => taken)) <= 2 ** 20, `${taken} bytes were taken`)
  await end(stage)
})

t.test('a reader that does not read stops the program', async t => {
  const stage = exec({ command: ['yes'] })
  stage.end()
  await once(stage, 'readable')
  t.ok((await settled(() => stage.readableLength)) <= 2 ** 17, `${stage.readableLength} bytes wait`)
  await end(stage)
})

t.test('destroyed, it ends the program', async t => {
  for (const error of [undefined, new Error('destroyed')]) {
    const stage = exec({ command: ['sleep', '100'] })
    const errors: unknown[] = []
    stage.on('error', error => errors.push(error))
    stage.write('input')
    t.equal(programs(), 1)
    stage.destroy(error)
    await new Promise(resolve => stage.once('close', resolve))
    t.equal(await untilNoPrograms(), 0)
    t.same(errors, error ? [error] : [])
  }
})

t.test('a program that does not end when it is told to is killed', async t => {
  const { setTimeout } = globalThis
  const times: number[] = []
  t.teardown(() => {
    globalThis.setTimeout = setTimeout
  })
  const stage = script('trap "" TERM; echo ready; while :; do sleep 0.01; done')
  stage.write('input')
  await once(stage, 'data')
  globalThis.setTimeout = ((wake: () => void, milliseconds: number) => {
    times.push(milliseconds)
    return setTimeout(wake, 100)
  }) as never
  stage.destroy()
  await once(stage, 'close')
  t.equal(await untilNoPrograms(), 0)
  t.same(times, [2000])
})

t.test('an exit of the process ends it, since nobody else would', async t => {
  const before = process.listeners('exit')
  const stages = [script('trap "" TERM; sleep 100'), script('trap "" TERM; sleep 100')]
  for (const stage of stages) stage.on('error', () => {}).write('input')
  const added = process.listeners('exit').filter(listener => !before.includes(listener))
  t.equal(added.length, 1)
  t.equal(programs(), 2)
  added[0]?.call(process, 0)
  t.equal(await untilNoPrograms(), 0)
  const left = () => process.listenerCount('exit') - before.length
  for (const end = Date.now() + 5000; left() > 0 && Date.now() < end; ) await setImmediate()
  t.same(process.listeners('exit'), before)
  for (const stage of stages) stage.destroy()
})

const noProc = existsSync('/proc') ? false : 'no /proc'

t.test('what the program has started ends with it', { skip: noProc }, async t => {
  const stage = script('sleep 100 & echo $!; sleep 100')
  stage.write('input')
  const pid = String(await once(stage, 'data')).trim()
  t.ok(isRunning(pid))
  stage.destroy()
  await once(stage, 'close')
  await untilEnded(pid)
  t.notOk(isRunning(pid))
})

t.test('what a program that fails has left behind ends, too', { skip: noProc }, async t => {
  const { text, error } = await run([script('sleep 100 </dev/null >/dev/null 2>&1 & echo $!; exit 3')], 'input')
  t.match(error, { message: 'exec: sh failed with exit code 3' })
  const pid = text.trim()
  t.match(pid, /^\d+$/)
  await untilEnded(pid)
  t.notOk(isRunning(pid))
})

/** A process that has ended and is still to be waited for does not run. */
function isRunning(pid: string): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

async function untilEnded(pid: string): Promise<void> {
  for (const end = Date.now() + 5000; isRunning(pid) && Date.now() < end; ) await setImmediate()
}

t.test('what has left the group of the program and holds its pipes is not waited for', needs('setsid'), async t => {
  const stage = planned([script('setsid sh -c "echo started; sleep 3" &')]).streams[0] as Duplex
  stage.write('input')
  await once(stage, 'data')
  await untilNoPrograms()
  const start = performance.now()
  stage.destroy()
  await once(stage, 'close')
  t.ok(performance.now() - start < 2000)
})

t.test('the environment describes the connection (E-07, G-44)', async t => {
  process.env.TCP_PIPE_ID = 'of another'
  process.env.EXEC_TEST = 'inherited'
  t.teardown(() => {
    delete process.env.TCP_PIPE_ID
    delete process.env.EXEC_TEST
  })
  const text = 'env | grep -E "^(TCP_PIPE_(ID|REMOTE|PORT|LOCAL|LOCAL_PORT|DIRECTION)|EXEC_TEST)=" | sort'
  const shown = async (connection?: ConnectionInfo) =>
    (await textOf([script(text)], '', { connection })).trim().split('\n')
  t.same(await shown(connection), [
    'EXEC_TEST=inherited',
    'TCP_PIPE_DIRECTION=reply',
    'TCP_PIPE_ID=c1',
    'TCP_PIPE_PORT=4711',
    'TCP_PIPE_REMOTE=::1',
  ])
  t.same(await shown({ ...connection, remote: '$(id); -x', port: undefined }), [
    'EXEC_TEST=inherited',
    'TCP_PIPE_DIRECTION=reply',
    'TCP_PIPE_ID=c1',
    'TCP_PIPE_REMOTE=$(id); -x',
  ])
  t.same(await shown({ ...connection, local: { address: '::2', port: 7 } }), [
    'EXEC_TEST=inherited',
    'TCP_PIPE_DIRECTION=reply',
    'TCP_PIPE_ID=c1',
    'TCP_PIPE_LOCAL=::2',
    'TCP_PIPE_LOCAL_PORT=7',
    'TCP_PIPE_PORT=4711',
    'TCP_PIPE_REMOTE=::1',
  ])
  t.same(await shown(), ['EXEC_TEST=inherited'])
})

t.test('a program that cannot be started is refused', async t => {
  const dir = t.testdir({ plain: '', folder: {} })
  for (const [command, message] of [
    [['no-such-program'], "exec command: program 'no-such-program' not found in PATH"],
    [['folder'], "exec command: program 'folder' not found in PATH"],
    [[`${dir}/missing`], `exec command: '${dir}/missing' is not an executable file`],
    [[`${dir}/plain`], `exec command: '${dir}/plain' is not an executable file`],
    [[`${dir}/folder`], `exec command: '${dir}/folder' is not an executable file`],
    [['cat', 'a\0b'], /^exec command: .* expected words without a NUL character$/],
    [[], /^exec command: \[\] is not allowed/],
    [[''], /^exec command: \[ '' \] is not allowed/],
  ] as [string[], string | RegExp][]) {
    t.throws(() => exec({ command }), { code: 'ERR_OPTION', message }, command.join(' '))
  }
  t.throws(() => spec('hex | exec jqq .'), {
    code: 'ERR_SPEC',
    message: /column 7: exec command: program 'jqq' not found/,
  })
  t.throws(() => spec('exec'), { code: 'ERR_SPEC', message: /exec needs command/ })
})

t.test('PATH as it is, or the default of the system', async t => {
  const { PATH } = process.env
  t.teardown(() => {
    process.env.PATH = PATH
  })
  delete process.env.PATH
  t.equal(await textOf([exec({ command: ['cat'] })], 'input'), 'input')
  process.env.PATH = t.testdir()
  t.throws(() => exec({ command: ['cat'] }), { code: 'ERR_OPTION' })
})

t.test('a program that cannot be started after all fails the stream', async t => {
  const file = `${t.testdir()}/program`
  writeFileSync(file, '#!/bin/sh\n')
  chmodSync(file, 0o755)
  const stages = [exec({ command: [file] }), exec({ command: [file] })]
  rmSync(file)
  const error = { code: 'ERR_EXEC', message: /cannot be started: .*ENOENT$/, cause: { code: 'ENOENT' } }
  t.match(await errorOf([stages[0] as Readable as never], 'input'), error)
  t.match(await errorOf([stages[1] as Readable as never], ''), error)
  t.match(await errorOf([exec({ command: ['cat', 'x'.repeat(3_000_000)] })], 'input'), {
    code: 'ERR_EXEC',
    cause: { code: 'E2BIG' },
  })
})

t.test('two at once do not mix', async t => {
  const texts = ['a', 'b', 'c'].map(letter => letter.repeat(200_000))
  t.same(
    await Promise.all(texts.map(text => textOf([exec({ command: ['cat'] })], cutEvery(999, Buffer.from(text))))),
    texts,
  )
})

t.test('a sink has written its output when the failure comes (G-10)', async t => {
  let written = 0
  const sink = new Writable({
    highWaterMark: 1_000_000,
    async write(chunk, _encoding, callback) {
      await untilNoPrograms()
      for (let i = 0; i < 20; i++) await setImmediate()
      written += chunk.length
      callback()
    },
  })
  const stage = compose(script('cat; exit 3'), new PassThrough())
  const error = { code: 'ERR_EXEC', message: 'exec: sh failed with exit code 3' }
  await t.rejects(pipeline(source(cutEvery(1000, Buffer.alloc(100_000))), stage, sink), error)
  t.equal(written, 100_000)
})

t.test('at the limit of open files a program cannot be started, and the error says so', async t => {
  const module = JSON.stringify(new URL('../../transforms/exec.js', import.meta.url).href)
  const text = `
    const { closeSync, openSync } = await import('node:fs')
    const { exec } = await import(${module})
    const stage = exec({ command: ['cat'] })
    const files = []
    try { for (;;) files.push(openSync('/dev/null')) } catch {}
    closeSync(files.pop())
    stage.on('error', ({ code, message }) => process.stdout.write(code + ' ' + message)).end('hi')`
  const words = ['-c', 'ulimit -n 60; exec "$@"', 'bash', process.execPath, '--input-type=module', '-e', text]
  t.equal(String(execFileSync('bash', words)), 'ERR_EXEC exec: cat cannot be started: spawn cat EMFILE')
})
