/** Reads the headers of the PROXY protocol with which balancers introduce their clients. */
import type { Socket } from 'node:net'
import { TcpPipeError } from '../../text/errors.js'
import { optionName } from '../../text/option-name.js'
import { formatDuration } from '../../text/quantities.js'
import type { Balancers } from '../endpoint.js'
import { type ProxyHeader, parseProxyHeader } from './header.js'

export interface Introductions {
  /** Reads the header of a connected socket, and nothing else. Rejects with `ERR_PROXY_PROTOCOL`. */
  read(socket: Socket, remote: string): Promise<ProxyHeader>
  /** Rejects what is still awaited, and all that follows. */
  end(): void
}

export function openIntroductions({ believes, timeout, max }: Balancers): Introductions {
  const waiting = new Set<(error: Error) => void>()
  let isOver = false

  async function read(socket: Socket, remote: string): Promise<ProxyHeader> {
    if (!believes(remote)) throw fault(`${optionName('proxyProtocol')} does not list ${remote}`)
    if (waiting.size >= max) throw fault(`${max} clients are awaited already`)
    const header = await headerOf(socket)
    if (isOver) throw closed()
    return header
  }

  function headerOf(socket: Socket): Promise<ProxyHeader> {
    return new Promise<ProxyHeader>((resolve, reject) => {
      const late = () => fail(fault(`no header in ${formatDuration(timeout)}`))
      const timer = setTimeout(late, timeout)
      let bytes = Buffer.alloc(0)

      function leave(): void {
        clearTimeout(timer)
        waiting.delete(fail)
        socket.off('readable', take).off('end', ended).off('close', ended)
      }

      function fail(error: unknown): void {
        leave()
        reject(error)
      }

      function ended(): void {
        fail(fault('the connection has ended before its header'))
      }

      /** Reads no more than has come: to ask for more would bring the end before its user is there. */
      function take(): void {
        const chunk: Buffer | null = socket.read(socket.readableLength)
        if (chunk === null) return
        bytes = Buffer.concat([bytes, chunk])
        try {
          const header = parseProxyHeader(bytes)
          if (!header) return
          leave()
          if (bytes.length > header.length) socket.unshift(bytes.subarray(header.length))
          resolve(header)
        } catch (error) {
          fail(error)
        }
      }

      waiting.add(fail)
      socket.on('error', ignore) // it closes the socket
      socket.on('readable', take).on('end', ended).on('close', ended)
    })
  }

  return {
    read,
    end() {
      isOver = true
      for (const fail of waiting) fail(closed())
    },
  }
}

/** A stop is the fault of no client. */
export function isFault(error: unknown): boolean {
  return error instanceof TcpPipeError && error.code === 'ERR_PROXY_PROTOCOL'
}

function fault(why: string): TcpPipeError {
  return new TcpPipeError('ERR_PROXY_PROTOCOL', why)
}

function closed(): TcpPipeError {
  return new TcpPipeError('ERR_CLOSED', 'the server was closed')
}

function ignore(): void {}
