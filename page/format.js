// @ts-check
/** Figures for people: sizes, rates, times. */

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** @param {number} value @param {number} digits */
function rounded(value, digits) {
  return value.toLocaleString('en', { maximumFractionDigits: digits, minimumFractionDigits: digits })
}

/** @param {number} count */
export function number(count) {
  return Math.round(count).toLocaleString('en')
}

/** `1 byte`, `2,000 bytes`. @param {number} count @param {string} thing */
export function counted(count, thing, things = `${thing}s`) {
  return `${number(count)} ${count === 1 ? thing : things}`
}

/** `512 B`, `1.50 KiB`. @param {number | null | undefined} bytes */
export function size(bytes) {
  if (bytes === null || bytes === undefined || !Number.isFinite(bytes)) return '–'
  let value = bytes
  let unit = 0
  while (Math.abs(value) >= 1023.5 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${rounded(value, unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2)} ${units[unit]}`
}

/** @param {number | null | undefined} bytes per second */
export function rate(bytes) {
  const text = size(bytes)
  return text === '–' ? text : `${text}/s`
}

/** `0.21 ms`, `5.12 s`, `3:05 min`, `1:02 h`, `2 d 3 h`. @param {number | null | undefined} ms */
export function duration(ms) {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return '–'
  if (ms < 999.5) return `${rounded(ms, ms >= 99.95 ? 0 : ms >= 9.995 ? 1 : 2)} ms`
  const seconds = ms / 1000
  if (seconds < 59.995) return `${rounded(seconds, 2)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}:${two(seconds % 60)} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return `${hours}:${two(minutes % 60)} h`
  return `${Math.floor(hours / 24)} d ${hours % 24} h`
}

/** Whole seconds, for what changes once a second. @param {number} ms */
export function age(ms) {
  return ms < 59_500 ? `${Math.max(0, Math.round(ms / 1000))} s` : duration(ms)
}

/** @param {number} value */
function two(value) {
  return String(Math.floor(value)).padStart(2, '0')
}

/** The local time of the day: `14:07:22.130`. @param {number} time milliseconds since 1970 */
export function clock(time, hasMilliseconds = true) {
  const date = new Date(time)
  if (Number.isNaN(date.getTime())) return '–'
  const text = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')
  return hasMilliseconds ? `${text}.${String(date.getMilliseconds()).padStart(3, '0')}` : text
}

/** @param {number} share from 0 to 1 */
export function percent(share) {
  return `${Math.round(share * 100)} %`
}

/** `[::1]:80` or `127.0.0.1:80`. @param {string} remote @param {number | null | undefined} port */
export function address(remote, port) {
  if (port === null || port === undefined) return remote
  return remote.includes(':') ? `[${remote}]:${port}` : `${remote}:${port}`
}
