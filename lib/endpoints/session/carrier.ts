/** What carries the frames of a session. */
import type { FrameType } from '../../formats/session-frames.js'

export interface Carrier {
  /** Whether it buffers enough: no more data until it is drained. */
  readonly isFull: boolean
  sendData(offset: number, parts: readonly Buffer[], isChecked: boolean): void
  /** Sends a frame with facts as JSON. */
  send(type: Exclude<FrameType, 'data' | 'ack'>, offset: number, facts?: object): void
}
