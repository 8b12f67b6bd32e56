// What the curves share: candidates at each place of an axis, as rows of a table and as lines of a panel.
import { limitOf, straight } from './load.js'
import { haproxy, ours } from './proxies.js'
import { compare, has, rate, speed } from './support.js'

/** One measurement after the other: for each x, all candidates in turn. → `{ x, results }` by candidate */
export async function curve(values, candidatesOf, times, measure) {
  const points = []
  for (const x of values) points.push({ x, results: await compare(candidatesOf(x), times, each => measure(each, x)) })
  return points
}

export const both = [ours, ...(has('haproxy') ? [haproxy] : [])]

/** A row: compared if the peer is there. `wanted` picks a figure, as a row shows it, from a result. */
export function row(work, results, wanted, { mine = ours.name, peer = haproxy.name, ...more } = {}) {
  const limit = limitOf(results.get(mine))
  const own = wanted(results.get(mine))
  if (!results.has(peer)) return { work, figure: own.value, cpu: own.cpu, limit, ...more }
  return { work, ours: own, peer, theirs: wanted(results.get(peer)), limit, ...more }
}

/** A line of a panel. */
export function series(name, kind, points, y) {
  const known = points.filter(({ results }) => results.has(name))
  return { name, kind, points: known.map(({ x, results }) => [x, y(results.get(name))]) }
}

/** Ours, the peer, and the load without a proxy, as far as they are measured. */
export function threeSeries(points, y) {
  return [
    series(ours.name, 'ours', points, y),
    series(haproxy.name, 'peer', points, y),
    series(straight.name, 'straight', points, y),
  ].filter(each => each.points.length > 0)
}

export const perSecond = result => rate(result.requests, result)
export const throughput = result => speed(result.bytes, result)
export const counted = (count, noun) => `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`
export const connectionAxis = { label: 'connections', isLog: true }

/** The processor times of the proxies. */
export function cpuPanel(title, unit, points, wanted, x = connectionAxis) {
  return {
    title,
    x,
    y: { label: unit, isLog: x.isBytes },
    series: threeSeries(points, result => wanted(result).cpu).slice(0, both.length),
  }
}

/** What the load reaches by itself: no figure above can be higher. */
export function loadAlone(what, points, wanted, { unit }) {
  const rows = points.map(({ x, results }) => ({
    work: counted(x, 'connection'),
    figure: wanted(results.get(straight.name)).value,
    limit: limitOf(results.get(straight.name)),
  }))
  return { title: `Curve: ${what} without a proxy, what the load itself reaches`, unit, rows }
}
