/** A promise that is made when somebody asks for it: thousands of idle connections have none that nobody waits for. */
export class Later<T> {
  #promise: Promise<T> | undefined
  #outcome: { readonly value: T } | { readonly error: Error } | undefined
  #waiting: { resolve(value: T): void; reject(error: Error): void } | undefined

  get promise(): Promise<T> {
    this.#promise ??= new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#settle()
    })
    return this.#promise
  }

  /** The first outcome counts. */
  resolve(value: T): void {
    this.#outcome ??= { value }
    this.#settle()
  }

  reject(error: Error): void {
    this.#outcome ??= { error }
    this.#settle()
  }

  #settle(): void {
    if (!this.#outcome) return
    if ('error' in this.#outcome) this.#waiting?.reject(this.#outcome.error)
    else this.#waiting?.resolve(this.#outcome.value)
  }
}
