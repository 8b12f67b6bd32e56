/** The table of endpoints: one line each, listed from the last one on, which takes every text that no other one accepts. */
import { file } from './file.js'
import { listen } from './listen.js'
import { memory } from './memory.js'
import { reliable } from './reliable.js'
import { stdio } from './stdio.js'
import { tcp } from './tcp.js'
import { tls } from './tls.js'
import { unix } from './unix.js'

export const endpoints = [stdio, file, memory, listen, reliable, unix, tls, tcp] as const
