/** What the API answers: see docs/api.md. */

export type Way = 'in' | 'out'
export type Direction = 'forward' | 'reply'

export interface Part {
  kind: 'source' | 'stage' | 'sink'
  name: string
  isNetwork: boolean
  segment: string | null
  busy: number
  waitingForInput: number
  waitingForOutput: number
  waitingForThread: number
  ended: number
  bytesIn: number | null
  bytesOut: number | null
  recordsIn: number | null
  recordsOut: number | null
}

export interface PipelineOfDirection {
  verdict?: string | null
  slowest: number[]
  isThread: boolean
  bytesIn: number
  bytesOut: number
  parts: Part[]
}

export interface Pipeline {
  forward?: PipelineOfDirection | null
  reply?: PipelineOfDirection | null
}

export interface Held {
  id: string
  breakpoint: string
  connection: string
  number: number
  direction: Direction
  since: number
  until: number
  bytes: number
  ended: boolean
  data?: string
}

export interface Breakpoint {
  id: string
  direction: Direction
  on: string | null
  hex: string | null
  turn: boolean
  connection: number | null
  once: boolean
  time: number
  hits: number
}

export interface FaultOption {
  name: string
  summary: string
  required: boolean
  positional: boolean
  default: string | null
  allowed: string | null
}

export interface FaultKind {
  name: string
  summary: string
  options: FaultOption[]
}

export interface Fault {
  id: string
  name: string
  direction: Direction
  options: Record<string, string>
  connection: number | null
  spec: string
  fired: number
}

export interface Stats {
  about: { name: string; version: string; command?: string; pid: number }
  address?: string | null
  target?: string | null
  time: number
  /** The number of changes that were made before. */
  changes: number
  mayChange: boolean
  keep: { perConnection: number; total: number; tls: boolean; used: number }
  stats: { age: number; accepted: number; connections: number; bytesIn: number; bytesOut: number }
  rates: { in: number; out: number }
  segments: { forward?: string[]; reply?: string[] }
  pipeline?: Pipeline | null
  breakpoints: Breakpoint[]
  held: Held[]
  faults: Fault[]
}

export interface Connection {
  id: string
  number: number
  remote: string
  port?: number | null
  state: string
  opened: number
  age: number
  bytesIn: number
  bytesOut: number
  rateIn: number
  rateOut: number
  tls: boolean
  target?: { to: string; bytesIn: number; bytesOut: number } | null
  via?: string
  kept: number
  dropped: number
  held?: Direction[]
  closedBy?: string
  reason?: string
  error?: string
  code?: string
  side?: string
  timeout?: string
  warnings?: string[]
}

export interface ConnectionsAnswer {
  open: number
  ended: number
  matching: number
  offset: number
  connections: Connection[]
}

export interface DataEntry {
  sequence: number
  time: number
  way: Way
  offset: number
  data: string
}

export interface MarkEntry {
  sequence: number
  time: number
  mark: 'opened' | 'closed' | 'fault' | 'held' | 'released' | 'edited' | 'dropped' | 'reset'
  text?: string
  way?: Way
  offset?: number
}

export interface BytesAnswer {
  id: string
  state: string
  keeps: 'yes' | 'no' | 'tls'
  dropped: { in: number; out: number; marks: number }
  next: number
  more: boolean
  entries: (DataEntry | MarkEntry)[]
}

export interface History {
  interval: number
  time: number[]
  in: number[]
  out: number[]
  open: number[]
  accepted: number[]
  replies: number[]
  p50: (number | null)[]
  p99: (number | null)[]
}

export interface LogLine {
  sequence: number
  time: number
  level: string
  text: string
}
