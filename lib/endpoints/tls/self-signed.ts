/** A self-signed certificate, for clients that know its pin. */

/** Validity in days. Restart a server that runs longer. */
const days = 3650

/** Generates a key (ECDSA on P-256) and its certificate for the loopback names of this host, both PEM. */
export async function selfSigned(): Promise<{ cert: string; key: string }> {
  const { generate } = await import('selfsigned') // takes 130 ms to import and is used only here
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
