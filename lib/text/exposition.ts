/** The text format of Prometheus, version 0.0.4: prometheus.io/docs/instrumenting/exposition_formats. */

/** The media type of the text. */
export const expositionType = 'text/plain; version=0.0.4; charset=utf-8'

/** All samples of one metric. */
export interface Family {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary'
  readonly help: string
  readonly samples: readonly Sample[]
}

export interface Sample {
  readonly value: number
  readonly labels?: Readonly<Record<string, string | number>>
  /** What follows the name: `_bucket`, `_sum` or `_count`. */
  readonly suffix?: string
}

/** Writes the families. Each line ends with LF. */
export function exposition(families: readonly Family[]): string {
  return families.map(familyText).join('')
}

function familyText({ name, type, help, samples }: Family): string {
  const lines = samples.map(
    ({ suffix = '', labels = {}, value }) => `${name}${suffix}${labelText(labels)} ${number(value)}`,
  )
  return [`# HELP ${name} ${escapeText(help)}`, `# TYPE ${name} ${type}`, ...lines, ''].join('\n')
}

function labelText(labels: Readonly<Record<string, string | number>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${labelValue(value)}"`)
  return pairs.length > 0 ? `{${pairs.join(',')}}` : ''
}

function labelValue(value: string | number): string {
  return typeof value === 'number' ? number(value) : escapeText(value).replaceAll('"', '\\"')
}

function escapeText(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

function number(value: number): string {
  return Math.abs(value) === Number.POSITIVE_INFINITY ? `${value > 0 ? '+' : '-'}Inf` : String(value)
}
