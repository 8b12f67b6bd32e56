import t from 'tap'
import { openChain } from '../../../lib/connection/chain.js'
import { type Chains, chainOf, made } from '../../../lib/ui/chains.js'

t.test('the chain of a direction, or what is allowed instead', async t => {
  const { chain } = openChain('reply', undefined)
  t.equal(chainOf({ reply: chain }, 'reply'), chain)
  for (const [chains, direction, message] of [
    [{ reply: chain }, 'forward', "direction: 'forward' is not allowed; expected reply"],
    [{ reply: chain, forward: chain }, undefined, 'direction is missing; expected forward, reply'],
    [{ more: chain } as Chains, 'reply', "direction: 'reply' is not allowed; no stages can be changed"],
  ] as const)
    t.throws(() => chainOf(chains, direction), { status: 400, message })
})

t.test('a change is made at once or refused; nobody waits for what it removes', async t => {
  t.equal(await made(Promise.resolve('x')), undefined)
  t.equal(await made(new Promise(() => {})), undefined)
  const refusal = new Error('refused')
  await t.rejects(
    made(
      (async () => {
        await undefined
        throw refusal
      })(),
    ),
    refusal,
  )
})
