/** Detects a proxy whose target is its own address, and which would connect to itself endlessly. */
import { lookup } from 'node:dns/promises'
import { isIPv4 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { resolve } from 'node:path'
import { TcpPipeError } from '../text/errors.js'
import { type Address, formatAddress } from './address.js'
import { canonicalIp } from './ip.js'

/** Throws `ERR_ADDRESS` if dialling `target` reaches the listener at `listen`. */
export async function checkOwnAddress(listen: Address, target: Address): Promise<void> {
  if (!(await isReached(listen, target))) return
  const what = `'${formatAddress(target)}' is the proxy's own address`
  throw new TcpPipeError('ERR_ADDRESS', `${what}: it would connect to itself endlessly; expected another target`)
}

async function isReached(listen: Address, target: Address): Promise<boolean> {
  if (listen.scheme === 'memory' || target.scheme === 'memory') return formatAddress(listen) === formatAddress(target)
  if ('path' in listen && 'path' in target) return resolve(listen.path) === resolve(target.path)
  if (!('host' in listen) || !('host' in target)) return false
  if (listen.port === 0 || listen.port !== target.port) return false
  const [bound, dialled] = await Promise.all([addressesOf(listen), addressesOf(target)])
  return dialled
    .map(toLoopback)
    .some(to => bound.some(own => own === to || (takesAll(own, to, listen.ipv6Only) && isOwn(to))))
}

/** Linux connects to the loopback address when a wildcard address is dialled. */
function toLoopback(address: string): string {
  return address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address
}

/** `::` also accepts IPv4 connections, unless it is IPv6 only. */
function takesAll(own: string, address: string, ipv6Only = false): boolean {
  return (own === '::' && !(ipv6Only && isIPv4(address))) || (own === '0.0.0.0' && isIPv4(address))
}

/** A name that does not resolve reaches nothing. Dialling it fails later. */
async function addressesOf({ host }: { readonly host: string }): Promise<string[]> {
  const address = canonicalIp(host)
  if (address !== undefined) return [address]
  const found = await lookup(host, { all: true }).catch(() => [])
  return found.map(each => canonicalIp(each.address) as string)
}

function isOwn(address: string): boolean {
  const own = Object.values(networkInterfaces()).flat()
  return isLoopback(address) || own.some(each => each && canonicalIp(each.address) === address)
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.')
}
