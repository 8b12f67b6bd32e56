/** A certificate that nobody has signed but itself, for those who know its pin. */

/** Days that it is valid: a server that runs longer is to be restarted. */
const days = 3650

/** A new key (ECDSA on P-256) and its certificate for this host's loopback names, both PEM. */
export async function selfSigned(): Promise<{ cert: string; key: string }> {
  const { generate } = await import('selfsigned') // 130 ms to import, and the only use of it
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'tcp-pipe' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notAfterDate: new Date(Date.now() + days * 24 * 60 * 60 * 1000),
    extensions: [
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
          { type: 7, ip: '::1' },
        ],
      },
    ],
  })
  return { cert, key }
}
