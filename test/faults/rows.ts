/** What can go wrong, and what must happen then. A test shows a row by its id at the end of its title: `… (A-04)`. */

export interface Row {
  id: string
  case: string
  expected: string
}

export const groups: Record<string, string> = {
  A: 'Streams and half-close',
  B: 'Start and addresses',
  C: 'Processes, signals, terminals and logs',
  D: 'TLS',
  E: 'Hostile input',
  F: 'Load',
}

/** Rows of features that do not exist yet. */
export const notBuilt: readonly string[] = ['A-18', 'F-11']

export const rows: readonly Row[] = [
  {
    id: 'A-01',
    case: 'A client half-closes while a slow stage of the server still holds bytes and adds a trailer; plain and TLS',
    expected: 'Every byte and the trailer arrive; the connection ends well',
  },
  {
    id: 'A-02',
    case: 'A server half-closes first, and the client goes on sending 10 MB; through a proxy in both directions',
    expected: 'Everything is delivered, then the end; the two halves live on independently',
  },
  {
    id: 'A-04',
    case: 'A reset by the peer in the middle of a transfer: of `serve`, of `send`, of either leg of `proxy`',
    expected:
      'This connection ends with `ECONNRESET`, logged once; others go on; `send` exits 1; a partial file is kept and its size told',
  },
  {
    id: 'A-06',
    case: 'A reader never reads while 1 GiB is offered: `serve --reply`, `proxy`, `send`',
    expected:
      'The sender is blocked; memory grows by less than 16 MiB; each pause is followed by a resume when the reader goes on, and everything arrives',
  },
  {
    id: 'A-07',
    case: 'A writer of single bytes sends 10 kB of multi-byte characters and of frames',
    expected: 'The result is that of one write',
  },
  {
    id: 'A-08',
    case: 'UTF-8 of 1, 2, 3 and 4 bytes a character, cut at each pair of places, through every transform of text',
    expected:
      'The same output; invalid bytes become U+FFFD as the Encoding Standard says; a byte order mark is treated as documented',
  },
  { id: 'A-09', case: 'CR at the end of a chunk and LF in the next', expected: 'The same bytes as for one chunk' },
  {
    id: 'A-10',
    case: 'hex, base64, gzip, json and frames: random data, cut at random, there and back; no byte, one byte, 64 KiB ± 1',
    expected: 'The very input comes back',
  },
  {
    id: 'A-11',
    case: 'The target of a proxy refuses, or does not answer',
    expected:
      'The client is reset within the connect timeout; one log line for each connection, which counts as failed; the proxy lives',
  },
  {
    id: 'A-14',
    case: 'A stage throws, rejects, calls back twice, emits an error after its end, never calls back',
    expected:
      'Its connection is reset with that error, others live; the one that never calls back is cut by the idle timeout',
  },
  {
    id: 'A-15',
    case: "A user's `AbortSignal` is aborted before, during, after",
    expected: '`AbortError`; sockets are destroyed; no listener is left on the signal and no warning of a leak comes',
  },
  {
    id: 'A-16',
    case: 'Numbered words through a proxy whose transforms (delay, throttle, slice) are changed while it runs',
    expected: 'No gap, and the order is kept',
  },
  {
    id: 'A-17',
    case: 'A file that is sent grows, shrinks or disappears meanwhile; a FIFO, a directory, no right to read, 0 bytes, more than 2 GiB',
    expected:
      'What was read is sent. A directory, a file that has gone or may not be read: one line, exit 1. Another size than at first: a warning, exit 1',
  },
  {
    id: 'A-18',
    case: 'A transfer is resumed beyond its end, with a wrong checksum, or twice at once',
    expected: 'Refused, the file is unchanged; the second one waits or is refused',
  },
  { id: 'B-01', case: 'A port in use', expected: 'One line names host, port and `EADDRINUSE`; exit 1 within a second' },
  { id: 'B-02', case: 'Port 0', expected: 'The line `listening` tells the real port, for scripts' },
  {
    id: 'B-03',
    case: 'The ports -1, 70000, 80abc, 0x50, or none',
    expected: 'Exit 2 and one line',
  },
  {
    id: 'B-07',
    case: 'The path of a unix socket is in use, left behind, longer than 107 bytes, or a regular file',
    expected: 'In use, too long or a file: one line. Left behind: taken over. Removed on exit',
  },
  {
    id: 'B-08',
    case: 'An unknown command or option, a missing value, options that contradict each other, junk in an address list',
    expected: 'Exit 2 and one line, with what was probably meant',
  },
  {
    id: 'B-09',
    case: 'An unknown transform, wrong options of one, a missing stage, an open quote, 10,000 stages',
    expected: 'Exit 2 before anything is bound, dialled or opened; the message shows where; at most 100 stages',
  },
  {
    id: 'C-01',
    case: 'SIGINT or SIGTERM while `serve` is idle',
    expected: 'Exit 0 within 100 ms, and the port is free',
  },
  {
    id: 'C-02',
    case: 'SIGTERM while connections run',
    expected:
      'No new ones; the running ones finish, exit 0; those that are left after the drain timeout are reset and counted, exit 1',
  },
  { id: 'C-03', case: 'A second SIGINT or SIGTERM', expected: 'The end at once, by that signal (130, 143)' },
  {
    id: 'C-05',
    case: 'stdout is closed by its reader: `tcp-pipe serve … | head -1`',
    expected: 'The connection is closed, exit 141, no stack trace',
  },
  {
    id: 'C-06',
    case: 'stdout is a full device; an output file on a full file system, or over the limit of file sizes',
    expected: '`ENOSPC` or `EFBIG`, exit 1; the connection is reset; the partial file is kept',
  },
  {
    id: 'C-08',
    case: 'stdin has ended and the peer takes 5 s to answer',
    expected: '`send` waits for the end of the peer; `--wait` bounds it',
  },
  {
    id: 'C-10',
    case: 'Control characters from the network, and stdout is a terminal',
    expected: 'Shown escaped, unless `--raw`; a pipe or a file gets the exact bytes',
  },
  {
    id: 'C-11',
    case: 'Bytes of a peer that would set a title, clear the screen or turn the text around, in a dump, a log line, progress or an error',
    expected: 'Shown escaped; raw only as data, and only where stdout is no terminal',
  },
  {
    id: 'C-12',
    case: 'A peer sends what would be a line of the log, or an object with the keys `level` and `msg`',
    expected: 'One JSON line for each event; what a peer sent is a string in it, escaped; the level is unchanged',
  },
  {
    id: 'C-14',
    case: 'Secrets: the passphrase of a key',
    expected: 'Not in logs, help or errors; how to keep it out of the list of processes is documented',
  },
  {
    id: 'D-01',
    case: 'Certificates that are self-signed, expired, not yet valid, of another name, without an intermediate; a client certificate that is missing or of another authority',
    expected: "Refused with Node's code and a hint, exit 1, and no data is sent before",
  },
  {
    id: 'D-02',
    case: 'A plain client of a TLS port, a TLS client of a plain port, a silent client, a handshake of 1 byte a second',
    expected: 'Closed within the handshake timeout; others are not affected',
  },
  {
    id: 'D-04',
    case: 'No version, cipher or protocol in common; a key of another certificate, encrypted without a passphrase, or unreadable',
    expected: 'What is wrong with the files is found at the start: exit 1 or 2, before it listens',
  },
  {
    id: 'D-05',
    case: 'The certificate is read again while connections run',
    expected: 'Open connections live on, new ones get the new certificate',
  },
  {
    id: 'E-01',
    case: 'Compressed bombs: 1000 to 1, one in another, 10 GB of zeros',
    expected: 'Stopped at the limit, one line; memory grows by less than 32 MiB',
  },
  {
    id: 'E-03',
    case: 'Lengths before frames of 0, the limit, one more, 4 GiB, more than 2^53, and then no data',
    expected: 'Over the limit: an error before anything is allocated; a length alone allocates nothing',
  },
  {
    id: 'E-04',
    case: 'A line without end, a million empty lines, a line of 1 MiB ± 1, JSON nested 100,000 deep, lone surrogates',
    expected: 'Over the limit: an error, and memory does not grow. Errors of JSON tell the line',
  },
  {
    id: 'E-06',
    case: 'Output files named after a peer: `../`, absolute, NUL, `%00`, `C:\\`, 5,000 characters, colons of IPv6; a link in the way; a name that exists',
    expected:
      'The file stays in its folder, unsafe characters are replaced; a link in place of the name is not followed; nothing is overwritten without `--force`',
  },
  {
    id: 'E-07',
    case: '`exec` with `$(id)`, `;`, a line feed or a leading `-` around',
    expected: "Started without a shell from the operator's own words; what a peer says is only in `TCP_PIPE_…`",
  },
  {
    id: 'F-01',
    case: '10,000 idle connections',
    expected:
      'All are accepted; memory of each and the time to be accepted (99th percentile) are recorded; all end cleanly',
  },
  {
    id: 'F-02',
    case: '5,000 connections a second for 10 s with `--max-connections 100`',
    expected: 'Never more than 100; the rest is reset and counted; the latency of the 100 stays bounded',
  },
  {
    id: 'F-03',
    case: 'A limit for each address, with 50 addresses',
    expected: 'The count of each is exact, and none is left behind',
  },
  {
    id: 'F-06',
    case: 'The idle timeout, of both roles',
    expected: 'Reads and writes begin it anew; cut so long after the last of them',
  },
  {
    id: 'F-07',
    case: '1,000 connections a second for 10 minutes',
    expected: 'Handles, listeners, heap and open files are flat',
  },
  {
    id: 'F-11',
    case: 'A page of figures: another Host header, a giant request, a slow client, markup in the name of a peer',
    expected: 'Loopback alone by default; refused or timed out; text is escaped',
  },
]
