/** What an option of a transform is, and the types that follow from a schema of options. */

/** An option of a transform. `T` is what code passes, `Value` is what `create` receives. */
export interface Option<T = unknown, Value = T | undefined, Required extends boolean = boolean> {
  /** Says in a few words what the option is. */
  readonly summary: string
  /** What the command line allows, in words: `a whole number, from 1 to 9`. */
  readonly allowed: string
  /** What code may pass, in words. */
  readonly allowedInCode: string
  /** All words that the command line allows, if they are few and fixed, for completions. Default: any text may be. */
  readonly words?: readonly string[]
  /** True if it must be given. */
  readonly required: Required
  /** True if its value may stand without its name. Values without a name fill such options in the order of declaration. */
  readonly positional: boolean
  /** True if it takes all remaining words of the command line as they are. */
  readonly rest?: boolean
  /** The value that `create` receives if the option is not given. Default: undefined. */
  readonly default?: Value
  /**
   * Parses a text of the command line.
   *
   * @throws `ERR_OPTION` if the text is not allowed
   */
  parse(text: string): T
  /** Returns true if code may pass this value. */
  accepts(value: unknown): boolean
  /** Returns the value as it is written on the command line. */
  format(value: T): string
}

/** What every kind of option takes. */
export interface Settings<T> {
  /** The value that `create` receives if the option is not given. Default: undefined. */
  default?: T
  /** True if the option must be given. Default: false. */
  required?: boolean
  /** True if the value may stand without its name on the command line. Default: false. */
  positional?: boolean
}

export type Built<T, S> = Option<
  T,
  S extends { required: true } | { default: T } ? T : T | undefined,
  S extends { required: true } ? true : false
>

/** The options of a transform, by name. */
export type OptionSchema = Record<string, Option>

type RequiredNames<S extends OptionSchema> = {
  [K in keyof S]: S[K] extends Option<never, never, true> ? K : S[K]['required'] extends true ? K : never
}[keyof S]

type Input<O> = O extends Option<infer T, infer _V, infer _R> ? T : never

/** The options that code passes to a transform: those that are required, and the others with `?`. */
export type OptionsOf<S extends OptionSchema> = { [K in RequiredNames<S>]: Input<S[K]> } & {
  [K in Exclude<keyof S, RequiredNames<S>>]?: Input<S[K]> | undefined
}

/** The options that `create` receives: each one checked, or with its default. */
export type ValuesOf<S extends OptionSchema> = {
  [K in keyof S]: S[K] extends Option<infer _T, infer V, infer _R> ? V : never
}
