/** The answer to a request that cannot be done. */
export class Refusal extends Error {
  constructor(
    readonly status: 400 | 401 | 403 | 404 | 405 | 409 | 413,
    message: string,
    /** What the answer has besides. */
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message)
  }
}

/** The token is missing or wrong. HTTP demands the header (RFC 9110, 15.5.2). */
export function unauthorized(message: string): Refusal {
  return new Refusal(401, message, { 'www-authenticate': 'Bearer' })
}

/** A path does not have this method. HTTP demands the header (RFC 9110, 15.5.6). */
export function wrongMethod(method: string | undefined, allowed: readonly string[]): Refusal {
  const allow = allowed.join(', ')
  return new Refusal(405, `${method} is not allowed here; expected ${allow}`, { allow })
}
