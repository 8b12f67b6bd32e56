/** What the compiler knows of each transform: its options, and what stands behind it receives. Nothing here is run. */
import { compose, records } from '../../lib/stages/compose.js'
import type { TransformStream } from '../../lib/stages/stage.js'
import * as transforms from '../../transforms/index.js'

const { bufferToString, cut, digest, drop, exec, frame, grep, gunzip, hex, json, prefix, replace, sample, throttle } =
  transforms

/** Compiles if both are the same type. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <_T extends true>() => {}
type OutOf<S> = S extends TransformStream<infer R> ? R : never

type Transforms = Omit<typeof transforms, 'spec' | 'loadSpec'>
type Name = keyof Transforms
/** The names of the transforms that give records of a type to what stands behind them. */
type Giving<T> = { [K in Name]: Same<OutOf<ReturnType<Transforms[K]>>, T> extends true ? K : never }[Name]

type Lines = 'bufferToString' | 'escape' | 'grep' | 'head' | 'prefix' | 'replace' | 'sample' | 'skip'
same<Same<Giving<string>, Lines>>()
same<Same<Exclude<Name, Giving<Buffer> | Lines>, 'json'>>()

compose(gunzip(), grep({ pattern: /x/ }), line => {
  same<Same<typeof line, string>>()
  return line.length
})
compose(replace({ pattern: /x/, text: '' }), sample({ every: 2 }), prefix({ text: '' }), line => line.length)
compose(bufferToString(), text => text.length)
compose(json({ pick: ['a'] }), (value: { a: number }) => value.a)
compose(hex(), chunk => {
  same<Same<typeof chunk, Buffer>>()
  return chunk
})
async function read() {
  for await (const line of records(compose(gunzip(), grep({ pattern: /x/ })))) same<Same<typeof line, string>>()
  for await (const length of records(compose(grep({ pattern: /x/ }), line => line.length)))
    same<Same<typeof length, number>>()
}
void read

// @ts-expect-error a function of the wrong input
compose(grep({ pattern: /x/ }), (value: number) => value)
// @ts-expect-error bytes, not lines
compose(gunzip(), (line: string) => line)
// @ts-expect-error a required option is missing
grep()
// @ts-expect-error a required option is missing
throttle({ burst: 1 })
// @ts-expect-error a text instead of a regular expression
grep({ pattern: 'x' })
// @ts-expect-error an unknown option
hex({ wide: 8 })
// @ts-expect-error a text instead of a number
hex({ width: '8' })
// @ts-expect-error bytes are a number in code
throttle({ rate: '64k' })
// @ts-expect-error a number instead of a text
digest({ algorithm: 256 })
// @ts-expect-error a format that there is not
frame({ format: 'u64' })
// @ts-expect-error one text instead of the words
exec({ command: 'jq .name' })
// @ts-expect-error one path instead of a list
json({ pick: 'a.b' })
// @ts-expect-error a regular expression instead of a text
cut({ on: /COMMIT/ })
// @ts-expect-error bytes are a number in code
drop({ block: '1k' })
