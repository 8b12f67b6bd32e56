/** A model of sessions: whatever is lost and in whatever order things happen, all bytes arrive, once and in order. */
import { mock } from 'node:test'
import fc from 'fast-check'
import t from 'tap'
import { turns } from '../lib/stats/stopped-clock.js'
import { type Setup, type Side, World } from './session-world.js'

type Who = 'dialler' | 'listener'

class Step implements fc.AsyncCommand<object, World> {
  readonly #words: string
  readonly #work: (world: World) => unknown

  constructor(words: string, work: (world: World) => unknown) {
    this.#words = words
    this.#work = work
  }

  check(): boolean {
    return true
  }

  async run(_: object, world: World): Promise<void> {
    await this.#work(world)
    await turns(3)
    world.check()
  }

  toString(): string {
    return this.#words
  }
}

const who = fc.constantFrom<Who>('dialler', 'listener')

function step<T>(arbitrary: fc.Arbitrary<T>, name: string, work: (world: World, value: T) => unknown) {
  return arbitrary.map(value => new Step(`${name} ${JSON.stringify(value)}`, world => work(world, value)))
}

/** The receiver of a transfer ends after it has read the end: its end carries the receipt. */
function mayEnd(world: World, side: Side): boolean {
  if (side.isEnded || side.isOver) return false
  return side.role === 'dialler' || world.setup.kind === 'tunnel' || side.hasReadEnd
}

function read(world: World): void {
  for (const [side] of world.sides) side.read()
}

/** Both sides get some frames and read, several times. */
async function exchange(world: World, [rounds, frames]: readonly [number, number]): Promise<void> {
  if (!world.dialler.link && !world.dialler.isOver) world.connect()
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < frames; i++) for (const [side] of world.sides) side.deliver()
    read(world)
    await turns(2)
  }
}

function write(world: World, [name, size]: readonly [Who, number]): void {
  const side = world[name]
  const most = world.setup.window * 5 // each byte is a frame in a window of one
  if (!side.isEnded && !side.isOver && side.stream.writableLength < most) side.write(Math.min(size, most))
}

const someBytes = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 3000 }))

const steps = [
  ...Array.from({ length: 2 }, () => step(fc.tuple(who, someBytes), 'write', write)),
  step(fc.tuple(fc.constant('dialler' as const), someBytes), 'write', write),
  step(fc.tuple(who, fc.integer({ min: 1, max: 12 })), 'deliver', (world, [name, count]) => {
    for (let i = 0; i < count; i++) world[name].deliver()
  }),
  ...Array.from({ length: 4 }, () =>
    step(fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 5 })), 'exchange', exchange),
  ),
  step(who, 'read', (world, name) => world[name].read()),
  step(fc.constant(0), 'read all', read),
  step(fc.constant(0), 'connect', world => {
    if (!world.dialler.link && !world.dialler.isOver) world.connect()
  }),
  step(fc.tuple(who, fc.nat(8)), 'cut', (world, [name, lost]) => {
    const { link } = world[name]
    if (!link) return
    link.far.inbox.splice(Math.max(0, link.far.inbox.length - lost))
    link.drop(new Error('cut'))
  }),
  step(fc.constant(0), 'silence: only the dialler notices', world => {
    const { link } = world.dialler
    if (!link) return
    const { user } = link
    link.vanish()
    user?.lost?.(new Error('silence'))
  }),
  step(fc.tuple(who, fc.nat(5)), 'end', (world, [name, delay]) => {
    if (delay === 0 && mayEnd(world, world[name])) world[name].end()
  }),
  step(fc.constant(0), 'time', () => mock.timers.tick(100)),
  ...Array.from({ length: 2 }, () =>
    step(fc.nat(5), 'flip', (world, which) => {
      if (world.flipped < 2 && world.listener.link?.corrupt(which)) world.flipped++
    }),
  ),
  step(fc.constant(0), 'restart', world => {
    const { listener, setup } = world
    const { written, isEnded, isOver } = listener
    if (setup.isKept && !setup.rereadable && written === 0 && !isEnded && !isOver) world.restart()
  }),
]

const setups: fc.Arbitrary<Setup> = fc
  .record({
    kind: fc.constantFrom('transfer' as const, 'tunnel' as const),
    window: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1000, max: 8000 })),
    isKept: fc.boolean(),
    rereadable: fc.boolean(),
  })
  .map(setup => (setup.kind === 'tunnel' ? { ...setup, isKept: false, rereadable: false } : setup))

/** No more losses: both sides end, and everything arrives. */
async function finish(world: World): Promise<void> {
  const { dialler, listener } = world
  for (let i = 0; i < 2000 && !(dialler.isOver && listener.isOver) && !isHalfOver(world); i++) {
    if (!dialler.link && !dialler.isOver) world.connect()
    for (const [side] of world.sides) {
      if (mayEnd(world, side)) side.end()
      while (side.deliver());
      side.read()
    }
    mock.timers.tick(100)
    await turns(3)
    world.check()
    notice(world)
  }
  for (const [side, other] of world.sides) {
    side.read()
    if (!side.got.equals(other.data.subarray(0, other.written)))
      throw new Error(`the ${side.role} has ${side.got.length} bytes of ${other.written}`)
  }
  if (!isHalfOver(world) && !(dialler.isOver && listener.isOver)) throw new Error('the sessions are not over')
  if (dialler.isOver && world.setup.kind === 'transfer' && !dialler.session.receipt) throw new Error('no receipt')
}

/** Whoever waits at a link whose other end is gone finds it out. */
function notice({ dialler, listener }: World): void {
  for (const { link } of [dialler, listener])
    if (link?.far.isOver && link.inbox.length === 0) link.drop(new Error('silence'))
}

/** The last confirmation was lost: one side knows that everything has arrived, and the other one cannot know it. */
function isHalfOver({ dialler, listener, isUnknown }: World): boolean {
  return (dialler.isOver && !listener.isOver && !listener.link) || isUnknown
}

t.test('whatever is lost, all bytes arrive, and nothing is confirmed that has not', async t => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  let done = 0
  await fc.assert(
    fc.asyncProperty(setups, fc.commands(steps, { maxCommands: 80, size: 'max' }), async (setup, commands) => {
      const world = new World(setup)
      world.connect()
      await fc.asyncModelRun(() => ({ model: {}, real: world }), commands)
      await finish(world)
      done++
    }),
    { seed: 16, numRuns: 500 },
  )
  t.equal(done, 500)
})
