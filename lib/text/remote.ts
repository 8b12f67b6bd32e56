/** `127.0.0.1:80`, `[::1]:80`, or the name of a peer without a port, such as `unix`. */
export function formatRemote({ remote, port }: { remote: string; port: number | undefined }): string {
  if (port === undefined) return remote
  return remote.includes(':') ? `[${remote}]:${port}` : `${remote}:${port}`
}

/** Where a server listens: `127.0.0.1:3099`, `unix:/run/x`. */
export function formatBound({ address, family, port }: { address: string; family: string; port: number }): string {
  return family.startsWith('IP') ? formatRemote({ remote: address, port }) : `${family}:${address}`
}
