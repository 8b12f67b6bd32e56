/** Keeps the memory of freed buffers for the next ones. */

/** Milliseconds after the start. A shorter run needs no buffers, and the block causes a collection of 5 ms. */
const patience = 250

/**
 * When a collection frees buffers, glibc returns them to the kernel, and each new buffer is faulted in again. Freeing one
 * block of this size raises glibc's thresholds (M_MMAP_THRESHOLD in mallopt(3)). It is never touched, so it takes no memory.
 */
export function keepFreedBuffers(): void {
  setTimeout(() => void Buffer.allocUnsafeSlow(31 * 1024 * 1024), patience).unref()
}
