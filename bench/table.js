// What is written of the figures: tables in Markdown, and the line that counts them.

/**
 * A section in Markdown. Its rows are compared ones, `{ work, ours, peer, theirs, atLeast?, atMost?, aim?, isLowerBetter? }` with
 * figures `{ value, cpu }`, or plain ones, `{ work, figure, cpu?, least?, most? }`. `unit` is that of the values, `cpu` that of the
 * processor time, if the rows have it. A row can say what has limited it (`limit`).
 */
export function format({ title, unit, cpu, rows, commands = [], text = '' }) {
  const columns = isCompared(rows[0]) ? comparedColumns(unit, cpu) : plainColumns(unit, cpu)
  const shown = columns.filter(([name]) => name !== 'limit' || rows.some(row => row.limit))
  const line = cells => `| ${cells.join(' | ')} |`
  const lines = [
    line(shown.map(([name]) => name)),
    line(shown.map(() => '---')),
    ...rows.map(row => line(shown.map(([, cell]) => cell(row)))),
  ]
  const list =
    commands.length > 0 ? `\n\n\`\`\`sh\n${[...new Set(commands.flat())].map(anonymous).join('\n')}\n\`\`\`` : ''
  return `## ${title}\n\n${text && `${text}\n\n`}${lines.join('\n')}${list}`
}

function comparedColumns(unit, cpu) {
  return [
    ['work', row => code(row.work)],
    [unit, row => number(row.ours.value)],
    ...(cpu ? [[`CPU ${cpu}`, row => number(row.ours.cpu)]] : []),
    ['against', row => code(row.peer)],
    [unit, row => number(row.theirs.value)],
    ...(cpu ? [[`CPU ${cpu}`, row => number(row.theirs.cpu)]] : []),
    ['ratio', row => ratioOf(row).toFixed(2)],
    ...requirement,
  ]
}

function plainColumns(unit, cpu) {
  return [
    ['work', row => row.work],
    [unit, row => number(row.figure)],
    ...(cpu ? [[`CPU ${cpu}`, row => number(row.cpu)]] : []),
    ...requirement,
  ]
}

const requirement = [
  ['required', required],
  ['reached', row => ({ true: 'yes', false: '**no**' })[reached(row)] ?? ''],
  ['limit', row => row.limit ?? ''],
]

function required({ atLeast, atMost, aim, least, most }) {
  if (atLeast !== undefined) return `≥ ${atLeast}`
  if (aim !== undefined) return `aim ${aim}`
  if (least !== undefined && most !== undefined) return `${least} to ${most}`
  const highest = atMost ?? most
  return highest === undefined ? '' : `≤ ${highest}`
}

/** Whether a row is what it is required to be, or is wished to be; undefined if nothing is. */
function reached(row) {
  const value = isCompared(row) ? ratioOf(row) : row.figure
  const [lowest, highest] = [row.atLeast ?? row.aim ?? row.least, row.atMost ?? row.most]
  if (lowest === undefined && highest === undefined) return undefined
  return !(value < lowest) && !(value > highest) && !Number.isNaN(value)
}

function isCompared(row) {
  return 'ours' in row
}

function ratioOf({ ours, theirs }) {
  return ours.value / theirs.value
}

function isAhead(row) {
  return row.isLowerBetter ? ratioOf(row) <= 1 : ratioOf(row) >= 1
}

/** The last line of a run: how many rows that have a peer are ahead of it, and how many of those with a requirement reach it. */
export function verdict(sections) {
  const rows = sections.flatMap(section => section.rows)
  const compared = rows.filter(isCompared)
  const plain = rows.filter(row => !isCompared(row))
  const count = (some, kind) => {
    const known = some.filter(row => reached(row) !== undefined && (row.aim === undefined) === (kind !== 'aim'))
    return `${known.filter(reached).length} of ${known.length}`
  }
  return [
    `Ahead (ratio ≥ 1, of times ≤ 1): ${compared.filter(isAhead).length} of ${compared.length} rows with a peer`,
    `of these ${count(compared)} reach what is required, ${count(compared, 'aim')} their aim`,
    `of the rows without a peer, ${count(plain)} reach what is required`,
  ].join('; ')
}

/** Three digits, at least. */
function number(value) {
  if (!Number.isFinite(value)) return '–'
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2).replace(/(\.\d)0$/, '$1')
}

function code(text) {
  return `\`${text.replaceAll('|', '\\|')}\``
}

function anonymous(command) {
  return command.replaceAll(process.execPath, 'node').replaceAll(/[^\s']+\/(dist|bench)\//g, '$1/')
}
