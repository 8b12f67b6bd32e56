/** The answer to a request that cannot be done. */
export class Refusal extends Error {
  constructor(
    readonly status: 400 | 401 | 403 | 404 | 405 | 409 | 413,
    message: string,
  ) {
    super(message)
  }
}
