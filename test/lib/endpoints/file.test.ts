import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import t, { type Test } from 'tap'
import { type AddressInput, addressForms, formatAddress, toAddress } from '../../../lib/endpoints/address.js'
import type { Sink } from '../../../lib/endpoints/endpoint.js'
import { type FileAddress, file } from '../../../lib/endpoints/file.js'
import { sinkTo, sourceAt } from '../../../lib/endpoints/open.js'
import { proxy } from '../../../lib/proxy.js'
import { send } from '../../../lib/send.js'
import { serve } from '../../../lib/serve.js'
import { collect, until } from '../network.js'
import { fakeSession } from './file/fake-session.js'
import { connection, ownAddress } from './legs.js'

const text = (path: string) => readFileSync(path, 'utf8')

async function write(address: AddressInput, content: string): Promise<object | undefined> {
  const sink = await sinkTo(toAddress(address), connection, {})
  await pipeline(Readable.from([Buffer.from(content)]), sink)
  return sink.report?.()
}

/** Sends these to a server that writes them there; the summaries of its connections. */
async function through(t: Test, to: AddressInput, ...contents: string[]) {
  const ends: Promise<unknown>[] = []
  const listen = ownAddress(t, 'memory')
  const server = await serve({ listen, to, onConnection: ({ closed }) => void ends.push(closed) })
  for (const content of contents)
    await send({ to: listen, from: Readable.from([Buffer.from(content)]) }).catch(() => {})
  await server.close()
  return Promise.all(ends)
}

t.test('text ⇄ address', async t => {
  t.strictSame(file.parse('file:a:b'), { scheme: 'file', path: 'a:b' })
  t.equal(file.format({ scheme: 'file', path: 'a:b', append: true }), 'file:a:b')
  t.same(['file:a', 'file', './file:a'].map(file.accepts), [true, false, false])
  const whole = { scheme: 'file', path: 'a', append: true, force: true } as const
  t.strictSame(file.complete(whole), whole)
  for (const path of ['', 'a\0b', undefined as unknown as string])
    t.throws(() => file.complete({ scheme: 'file', path }), { code: 'ERR_ADDRESS', message: /^its path is empty or/ })
  t.throws(() => file.parse('file:'), { code: 'ERR_ADDRESS' })
})

t.test('a source is the file, and a sink with the values of its connection in the name', async t => {
  const dir = t.testdir({ there: 'content' })
  t.equal(String(await collect(sourceAt({ scheme: 'file', path: join(dir, 'there') }))), 'content')
  const followed = sourceAt({ scheme: 'file', path: join(dir, 'there'), follow: true })
  t.equal(String((await once(followed, 'data'))[0]), 'content')
  t.notOk(followed.readableEnded, 'it is followed')
  followed.destroy()
  const report = await write(`file:${join(dir, '{remote}', '{id}-{port}')}`, 'sent')
  const path = join(dir, '127.0.0.1', 'abc-4000')
  t.equal(text(path), 'sent')
  t.same(report, { file: path, bytes: 4 })
})

t.test('a file that exists stays as it is, unless it is to be replaced or added to', async t => {
  const dir = t.testdir({ f: 'old ' })
  const path = join(dir, 'f')
  await t.rejects(write({ scheme: 'file', path }, 'new'), { code: 'ERR_FILE_EXISTS' })
  t.equal(text(path), 'old ')
  await write({ scheme: 'file', path, append: true }, 'more')
  t.equal(text(path), 'old more')
  await write({ scheme: 'file', path, force: true }, 'new')
  t.equal(text(path), 'new')
})

t.test('serve: one file for each connection', async t => {
  const dir = t.testdir({})
  const ends = await through(t, `file:${join(dir, '{remote}-{id}.log')}`, 'one', 'two')
  const names = readdirSync(dir)
  t.same(names.map(name => text(join(dir, name))).sort(), ['one', 'two'])
  for (const name of names) t.match(name, /^memory-[a-z0-9]{10}\.log$/)
  t.match(ends, [{ sink: { bytes: 3, file: /\.log$/ } }, { sink: { bytes: 3 } }])
})

t.test('serve: append puts them behind each other; without it a server does not start, and the file stays', async t => {
  const dir = t.testdir({})
  const path = join(dir, 'all.log')
  await through(t, { scheme: 'file', path, append: true }, 'one ', 'two ')
  t.equal(text(path), 'one two ')
  await t.rejects(through(t, { scheme: 'file', path }, 'three'), { code: 'ERR_FILE_EXISTS' }, 'before it listens')
  t.equal(text(path), 'one two ')
})

t.test('send: the reply goes to a file', async t => {
  const dir = t.testdir({ precious: 'precious' })
  const listen = ownAddress(t, 'memory')
  const server = await serve({ listen, reply: true })
  t.teardown(() => server.close({ drain: 0 }))
  const from = () => Readable.from([Buffer.from('hello')])
  const output = `file:${join(dir, '{remote}.bin')}`
  t.match(await send({ to: listen, from: from(), output }), { sink: { file: join(dir, 'memory.bin'), bytes: 5 } })
  t.equal(text(join(dir, 'memory.bin')), 'hello')
  const path = join(dir, 'precious')
  await t.rejects(send({ to: listen, from: from(), output: `file:${path}` }), { code: 'ERR_FILE_EXISTS' })
  t.equal(text(path), 'precious')
  await send({ to: listen, from: from(), output: { scheme: 'file', path, append: true } })
  t.equal(text(path), 'precioushello')
  await send({ to: listen, from: from(), output: { scheme: 'file', path, force: true } })
  t.equal(text(path), 'hello')
})

t.test('a peer that fails leaves the .part, and no file of the name', async t => {
  const dir = t.testdir({})
  const listen = ownAddress(t, 'memory')
  const server = await serve({ listen, to: `file:${join(dir, 'f')}` })
  const from = new Readable({ read() {} })
  from.push('half')
  const failed = send({
    to: listen,
    from,
    onConnect: () =>
      void until(() => existsSync(join(dir, 'f.part')) && text(join(dir, 'f.part')) === 'half').then(() =>
        from.destroy(new Error('ours')),
      ),
  })
  await t.rejects(failed, { message: 'ours' })
  await server.close()
  t.same(readdirSync(dir), ['f.part'])
})

t.test('it is refused where a connection is needed, before anything is opened', async t => {
  const dir = t.testdir({})
  const to = toAddress(`file:${join(dir, 'f')}`) as FileAddress
  const words = { listen: 'listened on', dial: 'connected to' }
  const refused = (ability: 'listen' | 'dial') => ({
    code: 'ERR_ADDRESS',
    message: `'${formatAddress(to)}' cannot be ${words[ability]}; expected ${addressForms(ability)}`,
  })
  await t.rejects(serve({ listen: to }), refused('listen'))
  await t.rejects(send({ to, from: Readable.from(['x']) }), refused('dial'))
  await t.rejects(proxy({ port: 0, to }), refused('dial'))
  await t.rejects(proxy({ listen: to, to: '80' }), refused('listen'))
  t.same(readdirSync(dir), [])
})

t.test('a session keeps its file, unless stages stand between, or it is added to one', async t => {
  const dir = t.testdir({ all: '' })
  const open = (
    path: string,
    isUnchanged: boolean,
    more: Partial<FileAddress> = {},
    name: string | undefined = 'f',
  ) => {
    const session = fakeSession()
    const context = { ...connection, session, isUnchanged, name }
    return file.sink?.({ scheme: 'file', path: join(dir, path), ...more }, context) as Promise<Sink>
  }
  const kept = await open('kept-{name}', true)
  t.ok(kept.isExact)
  t.same(readdirSync(dir), ['all', 'kept-f.part', 'kept-f.part.session'])
  for (const sink of [await open('changed', false), await open('all', true, { append: true })]) {
    t.notOk(sink.isExact)
    sink.destroy()
  }
  kept.destroy()
  const nameless = { ...connection, session: fakeSession(), isUnchanged: true }
  const address = { scheme: 'file', path: join(dir, '{name}') } as const
  const words = { code: 'ERR_SESSION', message: 'the sender gives no name; it needs --name' }
  await t.rejects(Promise.resolve(file.sink?.(address, nameless)), words)
})
