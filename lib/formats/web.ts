/**
 * The streams of the Web, as far as they are used here. They are described by their methods: those of Node, of a browser's
 * types and of a package are different classes.
 */

/** A Web `ReadableStream`. */
export interface WebReadable {
  readonly locked: boolean
  getReader(): WebReader
}

/** A Web `WritableStream`. */
export interface WebWritable {
  readonly locked: boolean
  getWriter(): WebWriter
}

/** A Web `TransformStream`, or any pair such as `new CompressionStream('gzip')`. */
export interface WebTransform {
  readonly readable: WebReadable
  readonly writable: WebWritable
  /** Always absent. Distinguishes it from a Node.js stream for the compiler. */
  readonly pipe?: undefined
}

export interface WebReader {
  readonly closed: Promise<unknown>
  read(): Promise<{ done: boolean; value?: unknown }>
  cancel(reason?: unknown): Promise<void>
}

export interface WebWriter {
  // biome-ignore lint/suspicious/noExplicitAny: whether it takes bytes is known when it gets some
  write(chunk: any): Promise<void>
  close(): Promise<void>
  abort(reason?: unknown): Promise<void>
  releaseLock(): void
}

export function isWebReadable(value: unknown): value is WebReadable {
  return hasMethod(value, 'getReader')
}

export function isWebWritable(value: unknown): value is WebWritable {
  return hasMethod(value, 'getWriter')
}

export function isWebTransform(value: unknown): value is WebTransform {
  const { readable, writable } = (value ?? {}) as Partial<WebTransform>
  return isWebReadable(readable) && isWebWritable(writable)
}

function hasMethod(value: unknown, name: string): boolean {
  return typeof (value as Record<string, unknown> | null | undefined)?.[name] === 'function'
}
