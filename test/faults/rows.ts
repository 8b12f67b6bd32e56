/** Failure cases and the required behavior. A test proves a row by its id at the end of its title: `… (A-04)`. */

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
  G: 'Edges: partial files, signals, errors in the middle of data',
  H: 'Reliable sessions',
  I: 'NATS JetStream',
  W: 'Workers',
}

/** Rows of features that do not exist yet. */
export const notBuilt: readonly string[] = ['A-18']

export const rows: readonly Row[] = [
  {
    id: 'A-01',
    case: 'A client half-closes while a slow server stage still holds bytes and adds a trailer; plain and TLS',
    expected: 'Every byte and the trailer arrive; the connection ends cleanly',
  },
  {
    id: 'A-02',
    case: 'A server half-closes first and the client continues to send 10 MB; through a proxy, in both directions',
    expected: 'Everything is delivered, then the end; the two directions are independent',
  },
  {
    id: 'A-04',
    case: 'The peer resets in the middle of a transfer: peer of `serve`, of `send`, of either side of `proxy`',
    expected:
      'The connection ends with `ECONNRESET`, logged once; other connections continue; `send` exits with 1; a partial file is kept and its size reported',
  },
  {
    id: 'A-06',
    case: 'A reader never reads while 1 GiB is offered: `serve --reply`, `proxy`, `send`',
    expected:
      'The sender blocks; memory grows by less than 16 MiB; when the reader resumes, each pause is followed by a resume and everything arrives',
  },
  {
    id: 'A-07',
    case: 'A writer sends 10 kB of multi-byte characters and of frames as single bytes',
    expected: 'The result is the same as for one write',
  },
  {
    id: 'A-08',
    case: 'UTF-8 characters of 1, 2, 3 and 4 bytes, split at every pair of positions, through every text transform',
    expected:
      'The output is the same; invalid bytes become U+FFFD as the Encoding Standard specifies; a byte order mark is handled as documented',
  },
  {
    id: 'A-09',
    case: 'A CR at the end of a chunk and its LF in the next',
    expected: 'The same bytes as for one chunk',
  },
  {
    id: 'A-10',
    case: 'hex, base64, gzip, json and frames: encode and decode random data with random chunk boundaries; no byte, one byte, 64 KiB ± 1',
    expected: 'The output equals the input',
  },
  {
    id: 'A-11',
    case: 'The target of a proxy refuses or does not answer',
    expected:
      'The client is reset within the connect timeout; each connection logs one line and counts as failed; the proxy continues',
  },
  {
    id: 'A-14',
    case: 'A stage throws, rejects, calls back twice, emits an error after its end, or never calls back',
    expected:
      'Its connection is reset with that error, others continue; if it never calls back, the idle timeout cuts the connection',
  },
  {
    id: 'A-15',
    case: "A user's `AbortSignal` is aborted before, during or after an operation",
    expected: '`AbortError`; sockets are destroyed; no listener stays on the signal, and Node warns of no leak',
  },
  {
    id: 'A-16',
    case: 'Numbered words pass a proxy while its transforms (delay, throttle, slice) change',
    expected: 'No gap; the order is kept',
  },
  {
    id: 'A-17',
    case: 'A file grows, shrinks or disappears while it is sent; a FIFO, a directory, no read permission, 0 bytes, more than 2 GiB',
    expected:
      'The bytes that were read are sent. A directory, a missing or an unreadable file: one line, exit 2. A changed size: a warning, exit 1',
  },
  {
    id: 'A-18',
    case: 'A transfer resumes beyond its end, with a wrong checksum, or twice at once',
    expected: 'Refused, the file is unchanged; the second transfer waits or is refused',
  },
  {
    id: 'B-01',
    case: 'A port in use',
    expected: 'One line names host, port and `EADDRINUSE`; exit 1 within a second',
  },
  {
    id: 'B-02',
    case: 'Port 0',
    expected: 'The `listening` line reports the actual port, for scripts',
  },
  {
    id: 'B-03',
    case: 'The ports -1, 70000, 80abc, 0x50, and an empty one',
    expected: 'Exit 2 and one line',
  },
  {
    id: 'B-07',
    case: 'The path of a unix socket is in use, stale, longer than 107 bytes, or a regular file',
    expected: 'In use, too long or a file: one line. Stale: taken over. Removed on exit',
  },
  {
    id: 'B-08',
    case: 'An unknown command or option, a missing value, conflicting options, an invalid address list',
    expected: 'Exit 2 and one line, with a suggestion where possible',
  },
  {
    id: 'B-09',
    case: 'An unknown transform, wrong options, a missing stage, an open quote, 10,000 stages',
    expected: 'Exit 2 before anything is bound, dialled or opened; the message shows the position; at most 100 stages',
  },
  {
    id: 'C-01',
    case: 'SIGINT or SIGTERM while `serve` is idle',
    expected: 'Exit 0 within 100 ms, and the port is free',
  },
  {
    id: 'C-02',
    case: 'SIGTERM while connections are open',
    expected:
      'No new connections; open ones finish, exit 0; those still open after the drain timeout are reset and counted, exit 1',
  },
  {
    id: 'C-03',
    case: 'A second SIGINT or SIGTERM',
    expected: 'Exits at once, by that signal (130, 143)',
  },
  {
    id: 'C-05',
    case: 'The reader of stdout closes it: `tcp-pipe serve … | head -1`',
    expected: 'The connection is closed, exit 141, no stack trace',
  },
  {
    id: 'C-06',
    case: 'stdout is a full device; an output file is on a full file system or exceeds the file size limit',
    expected: '`ENOSPC` or `EFBIG`, exit 1; the connection is reset; the partial file is kept',
  },
  {
    id: 'C-08',
    case: 'stdin has ended and the peer takes 5 s to answer',
    expected: "`send` waits for the peer's end; `--wait` limits the time",
  },
  {
    id: 'C-10',
    case: 'Control characters from the network, with stdout on a terminal',
    expected: 'Escaped, unless `--raw`; a pipe or a file gets the exact bytes',
  },
  {
    id: 'C-11',
    case: 'Bytes from a peer that would set a title, clear the screen or reverse the text, in a dump, a log line, progress or an error',
    expected: 'Escaped; raw only as data, and only if stdout is not a terminal',
  },
  {
    id: 'C-12',
    case: 'A peer sends a fake log line, or an object with the keys `level` and `msg`',
    expected: 'One JSON line per event; text from a peer is an escaped string in it; the level is unchanged',
  },
  {
    id: 'C-14',
    case: 'Secrets: the passphrase of a key',
    expected: 'Not in logs, help or errors; the documentation says how to keep it out of the process list',
  },
  {
    id: 'D-01',
    case: 'Certificates that are self-signed, expired, not yet valid, for another name, or without an intermediate; a client certificate that is missing or from another authority',
    expected: "Refused with Node's code and a hint, exit 1; no data is sent before",
  },
  {
    id: 'D-02',
    case: 'A plain client on a TLS port, a TLS client on a plain port, a silent client, a handshake at 1 byte per second',
    expected: 'Closed within the handshake timeout; others are not affected',
  },
  {
    id: 'D-04',
    case: 'No common version, cipher or protocol; a key that belongs to another certificate, needs a passphrase, or is unreadable',
    expected: 'Errors in the files are found at the start: exit 1 or 2, before listening',
  },
  {
    id: 'D-05',
    case: 'The certificate is reloaded while connections are open',
    expected: 'Open connections continue; new ones get the new certificate',
  },
  {
    id: 'E-01',
    case: 'Decompression bombs: 1000 to 1, nested, 10 GB of zeros',
    expected: 'Stopped at the limit, one line; memory grows by less than 32 MiB',
  },
  {
    id: 'E-03',
    case: 'Frame lengths of 0, the limit, one more, 4 GiB, more than 2^53, followed by no data',
    expected: 'Over the limit: an error before anything is allocated; a length alone allocates nothing',
  },
  {
    id: 'E-04',
    case: 'An endless line, a million empty lines, a line of 1 MiB ± 1, JSON nested 100,000 levels deep, lone surrogates',
    expected: 'Over the limit: an error, and memory does not grow. JSON errors name the line',
  },
  {
    id: 'E-06',
    case: 'Output files named after a peer: `../`, absolute, NUL, `%00`, `C:\\`, 5,000 characters, colons of IPv6; a link with that name; an existing file',
    expected:
      'The file stays in its directory, unsafe characters are replaced; a link with the name is not followed; nothing is overwritten without `--force`. A file that exists at the start: exit 2; one that appears later: a reset',
  },
  {
    id: 'E-07',
    case: '`exec` with `$(id)`, `;`, a line feed or a leading `-` in its words or in peer data',
    expected: "Started without a shell from the operator's own words; peer data is only in `TCP_PIPE_…`",
  },
  {
    id: 'E-08',
    case: 'Headers of the PROXY protocol: forged by one who is no balancer, wrong, byte by byte, without an end, none at all',
    expected:
      'Only listed balancers are believed; all others are reset and counted, at the deadline at the latest, and hold no place of a connection',
  },
  {
    id: 'F-01',
    case: '10,000 idle connections',
    expected: 'All are accepted and end cleanly; memory per connection and accept time (99th percentile) are recorded',
  },
  {
    id: 'F-02',
    case: '5,000 connections per second for 10 s with `--max-connections 100`',
    expected: 'Never more than 100; the rest are reset and counted; the latency of the 100 stays bounded',
  },
  {
    id: 'F-03',
    case: 'A limit per address, with 50 addresses',
    expected: 'Each count is exact, and none is left behind',
  },
  {
    id: 'F-06',
    case: 'The idle timeout, as server and as client',
    expected: 'Reads and writes restart it; the connection is cut this long after the last one',
  },
  {
    id: 'F-07',
    case: '1,000 connections per second for 10 minutes',
    expected: 'Handles, listeners, heap and open files stay constant',
  },
  {
    id: 'F-11',
    case: 'The page and its API: pages of the web (Host, Origin, WebSocket, images), a wrong or misplaced token, smuggled, huge, slow and silent requests, markup and escapes in the bytes, thousands of small messages',
    expected:
      'Refused, or disconnected after 5 s; nothing changes without the token, nor is read on another address than loopback; bytes stay bytes; the traffic, memory and other clients go on',
  },
  {
    id: 'G-01',
    case: 'Two processes write one output name at once; a draining server overlaps its successor; another program replaces the partial file',
    expected:
      'The first that finishes has its file whole; the other fails with `ERR_FILE_EXISTS` and keeps its partial file; only the file that was written is claimed; in one process the second connection is refused at once',
  },
  {
    id: 'G-02',
    case: '`NAME.part` exists: a file of another program, of an earlier failure, a directory or a link',
    expected: 'It stays as it is, with and without `--force`; the writer uses `NAME.2.part`, and so on',
  },
  {
    id: 'G-03',
    case: '`--append`, `tee`, `dump`, `--force` with a link in place of the file, or of a folder that is named after a peer',
    expected:
      'The link is not followed and nothing is made behind it: `ERR_FILE_EXISTS`, the connection is reset. A link of the operator to a device or a FIFO, and the name of a descriptor, are followed',
  },
  {
    id: 'G-04',
    case: 'A file of /sys, whose size is another one than it reports, is sent',
    expected: 'No warning, exit 0',
  },
  {
    id: 'G-09',
    case: 'A FIFO without a peer, or with one that does not read (`-o`, `tee`, `dump`, `--from`, `send`), and a full stderr, at the drain timeout',
    expected: 'The process ends; a waiting FIFO holds no thread of the pool and no other connection',
  },
  {
    id: 'G-10',
    case: 'An error or a limit in the same chunk as good data, for every transform',
    expected:
      'What precedes it is delivered and written, then the connection fails once; output and error are the same however the input is cut',
  },
  {
    id: 'G-11',
    case: 'JSON: 1e400, -0, integers over 2^53, two members of one name',
    expected: 'Numbers keep their text; a repeated member is an error with its line',
  },
  {
    id: 'G-12',
    case: 'A JSON value in single bytes',
    expected: 'It takes at most a few times its length',
  },
  {
    id: 'G-13',
    case: 'Millions of empty or tiny units: skippable zstd frames, lines of several values, held single bytes',
    expected: 'Work per byte is bounded',
  },
  {
    id: 'G-14',
    case: 'More bytes than `--max-bytes`, in any chunks',
    expected: 'Exactly the allowed bytes are delivered, then the connection is reset',
  },
  {
    id: 'G-20',
    case: 'An abort while a TLS handshake is under way',
    expected: 'It rejects with an AbortError; the program dies of its signal',
  },
  {
    id: 'G-21',
    case: 'The first dial of a proxy to a `tls://` target meets the limit of open files',
    expected: 'That connection fails; later ones succeed, since nothing is loaded at a dial',
  },
  {
    id: 'G-22',
    case: 'A name with several addresses, of which one refuses and one is slow',
    expected: 'Each address has the whole connect timeout; the slow one is reached',
  },
  {
    id: 'G-23',
    case: 'A peer that has reset the connection before its address was read',
    expected: 'The connection has the address that was dialled, not `unknown`',
  },
  {
    id: 'G-24',
    case: '`--bind` with a name, and without a port',
    expected: 'An address of the family of the target is used; the system chooses the port',
  },
  {
    id: 'G-25',
    case: 'A client leaves in the TLS handshake at the moment of SIGTERM: `serve` and `proxy`',
    expected: 'The process ends, and does not spin',
  },
  {
    id: 'G-26',
    case: 'A connection fails while its file is written; TLS ends without close_notify',
    expected: 'The file keeps what had come, and the log line reports its size',
  },
  {
    id: 'G-27',
    case: 'A PEM file with a key, parameters, comments or other text beside the certificates',
    expected: 'It is taken as OpenSSL takes it',
  },
  {
    id: 'G-28',
    case: 'The reset of a peer that is found by a read, by a write, or with data',
    expected: 'It has one text and the code `ECONNRESET`',
  },
  {
    id: 'G-29',
    case: 'HTTP/2 through a proxy that ends TLS on both sides',
    expected: '`--alpn` negotiates the protocol: the target is offered what the client has been promised',
  },
  {
    id: 'G-30',
    case: 'A signal that ends the process (SIGHUP, SIGQUIT, SIGUSR2, SIGALRM, …) arrives while bytes move: `send`, `serve`, `serve --from`, `proxy`, also while it drains',
    expected:
      'The peers see a reset, an output file keeps its unfinished name, the programs of `exec` end, the unix socket is removed, and the process ends by the signal; signals that Node uses keep their meaning',
  },
  {
    id: 'G-31',
    case: 'SIGHUP under `nohup`, with and without a terminal and TLS; a terminal that closes',
    expected:
      'Under `nohup` it does not end the process, and with TLS it reloads; without `nohup` a closed terminal resets the clients',
  },
  {
    id: 'G-32',
    case: 'The limit of open files has room for few connections, or for fewer than `--max-connections`',
    expected: 'The server warns at its start and gives the number',
  },
  {
    id: 'G-33',
    case: 'A client that only receives; a peer that ends while the input is open',
    expected:
      '`--receive-only` ends after the peer, without a half-close; `--on-peer-end stop` delivers what was read and ends with the peer',
  },
  {
    id: 'G-34',
    case: 'A server takes a half-close for a client that has left',
    expected: '`--on-eof keep` leaves our side open until the peer ends, and the whole reply arrives',
  },
  {
    id: 'G-35',
    case: 'The target of `serve --to` ends before the data does, reads nothing and resets later',
    expected: 'The connection fails with `ERR_TARGET`; both sides exit with 1',
  },
  {
    id: 'G-40',
    case: "Code of the user throws inside an event, or rejects: a Transform, a Writable, an object-mode stream, a callback, a sink's report, a log",
    expected:
      'That connection is reset with the error (for a report: a warning in its summary); other connections and the server live',
  },
  {
    id: 'G-41',
    case: 'Every option with a value of a wrong type; every callback that throws or rejects; an abort at any turn',
    expected:
      '`ERR_OPTION` or `ERR_ADDRESS` before anything is opened, or that connection alone fails; no socket, listener, timer or child is left',
  },
  {
    id: 'G-42',
    case: 'A stage throws or rejects; a module has a syntax error, throws while it is imported, or imports `tcp-pipe` from anywhere',
    expected:
      'The log names the stage and `file:line`; a failed import names its line; stacks under `-v` are lines; `tcp-pipe` is the copy that runs',
  },
  {
    id: 'G-43',
    case: 'A sender has ended, and the reader of the last hop pauses: `send → proxy → serve`',
    expected:
      'A stalled peer is not half-closed; by default nothing is cut earlier than when idle; `send` exits with 0',
  },
  {
    id: 'G-44',
    case: 'A program of `exec` on a socket with several local addresses',
    expected: 'It gets the local address and port that the client has chosen; a unix socket has none',
  },
  {
    id: 'G-45',
    case: 'The permissions of a unix socket and IPv6-only listening, also with an address or a value that does not fit',
    expected: 'They apply when the server listens; otherwise exit 2 before anything is opened',
  },
  {
    id: 'G-46',
    case: 'A peer leaves after the last answer, by a reset or without close_notify (nginx, Redis, psql, wrk)',
    expected:
      '`connection closed`, and the end is passed on as it is; in the middle of a conversation it is a failure. Without session tickets, a client that never reads loses nothing',
  },
  {
    id: 'G-50',
    case: 'A failure of any kind directly after data was written, over TCP and TLS',
    expected:
      'The data arrives first; 20 ms later a reset that every peer that reads can tell from an end; no FIN precedes it',
  },
  {
    id: 'G-51',
    case: 'A source fails after it gave data: a generator, an iterable, a Web or foreign stream, a file, a list of files',
    expected: 'What it gave is delivered, however slow the reader; then the connection fails',
  },
  {
    id: 'G-52',
    case: 'A Transform or Duplex of the user calls back with an error, or throws, after it gave data',
    expected: 'What it gave is delivered; then the connection fails',
  },
  {
    id: 'G-53',
    case: 'A result of a stage throws when it is looked at (a getter, a Proxy)',
    expected: 'The records before it are delivered; the error names its stage',
  },
  {
    id: 'G-54',
    case: 'Code of the user throws what cannot be shown or changed: no prototype, throwing properties, frozen',
    expected: 'That connection fails with an Error, and nothing else; the rejection of `send` has its summary',
  },
  {
    id: 'G-55',
    case: 'A word in braces that is no placeholder, in `--output`, `tee`, `dump` or `file:`',
    expected: 'Exit 2, `ERR_ADDRESS` or `ERR_OPTION` before anything is opened',
  },
  {
    id: 'G-56',
    case: 'A leg that is closed before its work is over',
    expected: 'It is left at once, and the server ends',
  },
  {
    id: 'G-70',
    case: 'A further sink (`--also`) that is slow: `block`, `drop`, `spool`',
    expected:
      'The connection waits; or it goes on, and whole chunks, of lines whole lines, are dropped and counted; or the data wait on the disk',
  },
  {
    id: 'G-71',
    case: 'A further sink that cannot be reached, is reset, or does not end',
    expected:
      'By its policy the connection is reset, or goes on with a warning; a spool is delivered again from its start',
  },
  {
    id: 'G-72',
    case: '`kill -9` of a server with spools; two servers with one folder',
    expected:
      'The next server delivers each spool whose client had its answer, and removes the others; it leaves those of a server that lives',
  },
  {
    id: 'G-73',
    case: 'A spool is full, or its disk fails',
    expected:
      'The connection waits, and goes on without storing when its target has taken everything; a disk that fails resets it',
  },
  {
    id: 'H-01',
    case: 'A link of a session breaks after any byte, in either direction',
    expected: 'The session goes on over another link; every byte arrives once, and both ends',
  },
  {
    id: 'H-02',
    case: 'A link breaks and the listener does not notice',
    expected: 'The newest link takes the session over; the old one is closed',
  },
  {
    id: 'H-03',
    case: 'A link is silent: nothing arrives, nothing is refused',
    expected: 'It is given up after the link timeout, and the session goes on over another one',
  },
  {
    id: 'H-04',
    case: 'The listener is away, for a while or for good; links break at once each time',
    expected: 'The session goes on, or fails with the time or the number of attempts and the last reason',
  },
  {
    id: 'H-05',
    case: 'The other end speaks no sessions, another version, or nothing',
    expected: 'It is named, and gets no data',
  },
  {
    id: 'H-06',
    case: 'A link breaks between the last data, the end, the receipt and its confirmation',
    expected: 'Both sides end well: the last confirmation is made up for',
  },
  {
    id: 'H-07',
    case: 'A link breaks while the server has no room, drains, or is disabled',
    expected: 'Who comes back to a session needs no room; a drain waits for it; a disabled server fails it in words',
  },
  {
    id: 'H-08',
    case: 'A hostile peer: a transfer is cut after any byte',
    expected: 'No file under its name; others are not disturbed',
  },
  {
    id: 'H-09',
    case: 'A hostile peer: frames that are repeated, in another order, with another offset or type, confirmations of what was not sent',
    expected: 'The session fails in words on both sides; others are not disturbed',
  },
  {
    id: 'H-10',
    case: 'A hostile peer, or a disk: the digest differs',
    expected: 'What was right is kept and the rest is sent again; the third time in a row fails the transfer',
  },
  {
    id: 'H-11',
    case: 'A bit of a frame is flipped; a length is too large',
    expected: 'The link breaks, the session goes on',
  },
  {
    id: 'H-12',
    case: 'A hostile peer: names that leave the folder',
    expected: 'Nothing is written outside of it',
  },
  {
    id: 'H-13',
    case: 'A hostile peer: a hello with wrong, huge or missing facts',
    expected: 'Refused in words; no session',
  },
  {
    id: 'H-14',
    case: 'A hostile peer continues or replaces the session, or the file, of another one',
    expected: 'Refused without the secret; the owner does not notice',
  },
  {
    id: 'H-15',
    case: 'A hostile peer: thousands of hellos, signs of life, sessions that never begin',
    expected: 'As many sessions as have room; the memory is bounded',
  },
  {
    id: 'H-16',
    case: 'A hostile peer never reads',
    expected: 'Its window and no more is kept; confirmations do not pile up',
  },
  {
    id: 'H-17',
    case: 'One direction of a session is not read while the other one waits for confirmations',
    expected: 'The directions do not wait for each other',
  },
  {
    id: 'H-18',
    case: 'A link breaks, and another certificate or pin answers',
    expected: 'The session fails at once',
  },
  {
    id: 'I-01',
    case: 'The server is killed while messages are on their way, and comes back',
    expected: 'Every record is stored once; nothing is confirmed that is not stored',
  },
  {
    id: 'I-02',
    case: 'The stream is full (`discard new`), deleted, or has lost its subject while a client sends',
    expected: 'The client is reset; the error says what helps',
  },
  {
    id: 'I-03',
    case: 'A record is longer than a message may be',
    expected: 'The client is reset; the records before it are stored',
  },
  {
    id: 'I-04',
    case: 'The user has no permission, or the credentials are wrong',
    expected: 'An error at once, without a secret',
  },
  {
    id: 'I-05',
    case: 'The server does not come back',
    expected: 'Given up before the duplicate window of the stream is over',
  },
  {
    id: 'I-06',
    case: 'The server is slow',
    expected: 'The client waits; a bounded number of messages is in memory',
  },
  {
    id: 'I-07',
    case: 'No server can be reached at the start, or the stream is missing',
    expected: 'Exit code 1 before there is a client',
  },
  {
    id: 'I-08',
    case: 'A reader is killed, and another one begins',
    expected: 'What it had comes first, and in order',
  },
  {
    id: 'I-09',
    case: 'The server is killed while a reader has messages that are not acknowledged',
    expected: 'Nothing is lost, and nothing is given twice',
  },
  {
    id: 'I-10',
    case: 'A retry has stored messages out of order',
    expected: 'The reader gives them in order',
  },
  {
    id: 'I-11',
    case: 'The consumer or the stream of a reader is deleted',
    expected: 'The source fails in words',
  },
  {
    id: 'I-12',
    case: 'One of several servers is down',
    expected: 'Another one is used',
  },
  {
    id: 'W-01',
    case: 'A worker gets SIGKILL while others transfer',
    expected:
      'Its clients see an end or a reset, all others go on; one line has the number; another worker takes its place',
  },
  {
    id: 'W-02',
    case: 'A worker dies before it has confirmed a connection that was handed to it',
    expected: 'The client is reset',
  },
  {
    id: 'W-03',
    case: 'Five workers in a row die within 5 s each; a worker that cannot start',
    expected: 'All end, with exit code 1 and the reason',
  },
  {
    id: 'W-04',
    case: 'The primary gets SIGKILL',
    expected: 'The workers reset their connections and end',
  },
  {
    id: 'W-05',
    case: '200 clients come at once to several workers with room for 10 in all; for one address: 20 and 3',
    expected:
      '10 and 3 are served, the others reset and counted; there is room again when they have left, or died with their worker',
  },
  {
    id: 'W-06',
    case: 'A terminal sends SIGINT to the primary and to all workers; a second signal',
    expected: 'It counts once: all drain, what runs completes, one line; the second one resets',
  },
]
