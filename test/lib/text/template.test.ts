import { basename, dirname, normalize } from 'node:path'
import t from 'tap'
import {
  expandTemplate,
  fixedPart,
  isTemplate,
  needsName,
  template,
  wrongPlaceholder,
} from '../../../lib/text/template.js'

const info = { id: 'abc', number: 1, remote: '127.0.0.1', port: 4000, direction: 'forward' } as const

t.test('isTemplate', async t => {
  for (const name of ['id', 'remote', 'port', 'time', 'name']) t.ok(isTemplate(`a/{${name}}.log`), name)
  for (const name of ['', 'a.log', '{Name}', '{id', '{ID}']) t.notOk(isTemplate(name), `'${name}'`)
})

t.test('fixedPart', async t => {
  for (const [name, fixed] of [
    ['a/{remote}/{id}', 'a/'],
    ['{id}', ''],
    ['a/{other}/b', 'a/{other}/b'],
    ['', ''],
  ] as const)
    t.equal(fixedPart(name), fixed, name)
})

t.test('expandTemplate (E-06)', async t => {
  t.equal(expandTemplate('logs/{remote}-{port}-{id}{id}.log', info), 'logs/127.0.0.1-4000-abcabc.log')
  t.match(expandTemplate('{time}', info), /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ$/, 'no colon')
  t.equal(expandTemplate('{port}', { ...info, port: undefined }), 'none')
  t.equal(expandTemplate('{id}{remote}{port}'), 'nonenonenone', 'no connection')
  t.equal(expandTemplate('{names}', info), '{names}', 'not one of ours')
  for (const [remote, name] of [
    ['../../etc/passwd', '.._.._etc_passwd'],
    ['..', '_'],
    ['.', '_'],
    ['', '_'],
    ['/abs', '_abs'],
    ['a\0b', 'a_b'],
    ['C:\\x', 'C__x'],
    ['fe80::1%eth0', 'fe80__1_eth0'],
    ['%00', '_00'],
    ['{id}', '_id_'],
    ['$&', '__'],
    ['x'.repeat(5000), 'x'.repeat(100)],
    ['\u202e', '_'],
  ] as const) {
    const path = expandTemplate('out/{remote}', { ...info, remote })
    t.equal(path, `out/${name}`)
    t.same([dirname(path), basename(path)], ['out', name], 'stays in its place')
  }
})

t.test('template', async t => {
  let count = 0
  const number = () => String(++count)
  const text = template('{a}{b}-{number} {c} {toString}{', { a: 'A', b: '{a}', number })
  t.equal(text(), 'A{a}-1 {c} {toString}{', 'a value is not expanded again')
  t.equal(text(), 'A{a}-2 {c} {toString}{', 'a function is asked each time')
  for (const open of ['{a', '{a:', '{a }', '{ a}', 'a}', '{}', '{{a']) t.equal(template(open, { a: 'A' })(), open)
})

t.test('wrongPlaceholder: the first word in braces that has no value', async t => {
  for (const name of ['a', '{id}-{remote}-{port}-{time}-{name}', '{}', '{a b}', 'a}{'])
    t.equal(wrongPlaceholder(name), undefined)
  t.match(wrongPlaceholder('{id}/{Id}{ip}'), /^'\{Id\}' is not a placeholder; expected \{id\}, .* or \{name\}$/)
})

t.test('the name that a peer gives keeps its folders, and stays in its place', async t => {
  t.equal(expandTemplate('{name}', info), 'none', 'without one')
  t.equal(expandTemplate('{id}-{name}.log', { ...info, name: 'a' }), 'abc-a.log')
  for (const [name, path] of [
    ['a.tar', 'a.tar'],
    ['photos/2026/a b.jpg', 'photos/2026/a b.jpg'],
    ['ü/日本.txt', 'ü/日本.txt'],
    ['../../etc/passwd', '_/_/etc/passwd'],
    ['/etc/passwd', '_/etc/passwd'],
    ['a//b', 'a/_/b'],
    ['a/', 'a/_'],
    ['./a', '_/a'],
    ['a/../../b', 'a/_/_/b'],
    ['', '_'],
    ['.', '_'],
    ['..', '_'],
    ['...', '...'],
    ['.bashrc', '.bashrc'],
    ['..\\..\\a', '.._.._a'],
    ['a\0b', 'a_b'],
    ['a\r\nb\x1b[2J\x7f', 'a__b_[2J_'],
    ['{id}/{remote}', '{id}/{remote}'],
    ['$&', '$&'],
  ] as const) {
    const expanded = expandTemplate('out/{name}', { ...info, name })
    t.equal(expanded, `out/${path}`)
    t.ok(normalize(expanded).startsWith('out/'), 'it leads out of no folder')
  }
})

t.test('whether a name needs one that the peer gives', async t => {
  t.same(['in/{name}', '{id}-{name}', '{id}', 'name', ''].map(needsName), [true, true, false, false, false])
})
