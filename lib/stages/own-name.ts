/** The name `tcp-pipe` in a module of the user: this copy of the package, wherever the module lies. */
import * as modules from 'node:module'

interface ResolveContext {
  readonly parentURL?: string | undefined
}

/** A hook of Node.js. A package that depends on this one has a copy of its own. */
export function resolve<R>(
  specifier: string,
  context: ResolveContext,
  next: (specifier: string, context: ResolveContext) => R,
): R {
  const isOwn = /^tcp-pipe(\/|$)/.test(specifier) && !context.parentURL?.includes('/node_modules/')
  return next(specifier, isOwn ? { ...context, parentURL: import.meta.url } : context)
}

/** What Node.js has of these: `registerHooks` from 22.15 on, `register` from 20.6 on. */
interface Hooks {
  registerHooks?(hooks: { resolve: typeof resolve }): unknown
  register?(url: string): unknown
}

/** Installs the hook. */
export function hookOwnName({ registerHooks, register }: Hooks = modules as unknown as Hooks): void {
  if (registerHooks) registerHooks({ resolve })
  else register?.(new URL('./own-name.js', import.meta.url).href) // by its own name in the bundle, too
}
