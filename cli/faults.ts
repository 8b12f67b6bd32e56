/** The transforms that the page of a proxy offers as faults. */
import type { TransformEntry } from '../lib/stages/define.js'
import { corrupt, cut, delay, drop, reset, stall, throttle } from '../transforms/index.js'

export const faults: readonly TransformEntry[] = [delay, throttle, cut, reset, stall, corrupt, drop]
