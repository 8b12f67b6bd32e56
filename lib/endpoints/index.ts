/** The table of endpoints: one line each. The last one takes every text that no other one accepts. */
import { file } from './file.js'
import { memory } from './memory.js'
import { stdio } from './stdio.js'
import { tcp } from './tcp.js'
import { tls } from './tls.js'
import { unix } from './unix.js'

export const endpoints = [unix, tls, memory, file, stdio, tcp] as const
