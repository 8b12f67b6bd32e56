import t from 'tap'
import { exposition, type Family, type Sample } from '../../../lib/text/exposition.js'

const family = (samples: Sample[], more: Partial<Family> = {}): Family => ({
  ...{ name: 'a_total', type: 'counter', help: 'What it is.' },
  ...more,
  samples,
})

/** The lines of the samples. */
const lines = (...samples: Sample[]) =>
  exposition([family(samples)])
    .trimEnd()
    .split('\n')
    .slice(2)

t.test('a family is its help, its type and its samples', async t => {
  t.equal(
    exposition([family([{ value: 1 }]), family([], { name: 'b', type: 'gauge' })]),
    '# HELP a_total What it is.\n# TYPE a_total counter\na_total 1\n# HELP b What it is.\n# TYPE b gauge\n',
  )
  t.equal(exposition([]), '')
})

t.test('labels and suffixes', async t => {
  t.same(
    lines(
      { value: 1, labels: { one: 'x', other: 'y' } },
      { value: 2, suffix: '_bucket', labels: { le: 0.5 } },
      { value: 3, labels: {} },
    ),
    ['a_total{one="x",other="y"} 1', 'a_total_bucket{le="0.5"} 2', 'a_total 3'],
  )
})

t.test('a text cannot end its label, its line or the help', async t => {
  t.same(lines({ value: 1, labels: { stage: './a"}\\n\n x 9' } }), ['a_total{stage="./a\\"}\\\\n\\n x 9"} 1'])
  t.match(exposition([family([], { help: 'a\\b\nc "d"' })]), '# HELP a_total a\\\\b\\nc "d"\n')
})

t.test('numbers are those of Go', async t => {
  const values = [0, 0.1, 1e21, 1e-7, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN]
  t.same(
    lines(...values.map(value => ({ value }))),
    ['0', '0.1', '1e+21', '1e-7', '+Inf', '-Inf', 'NaN'].map(text => `a_total ${text}`),
  )
  t.same(lines({ value: 1, labels: { le: Number.POSITIVE_INFINITY } }), ['a_total{le="+Inf"} 1'])
})
