/** Every deadline, bound and pause of the wire, by name and with its reason. Nothing else in this library holds such a number. */

export interface HalibutLimits {
  /** TCP connect, the way through a proxy and TLS handshake together, for one attempt. */
  connectMs: number;
  /** What a proxy may say before the tunnel is there. */
  proxyAnswerBytesMax: number;
  /** Attempts to connect per call, as long as nothing of the request was sent. */
  connectAttemptsMax: number;
  /** Pause between two attempts. */
  connectRetryPauseMs: number;
  /** The listener's patience for TLS handshake and hello block of a new peer. */
  helloMs: number;
  /** Either side's patience for the other's identity lines. */
  identityMs: number;
  /** A service's patience for the first byte of the next request after PROCEED or identification. */
  requestMs: number;
  /** A service's patience for NEXT or END after an answer. */
  nextMs: number;
  /** A caller's patience for PROCEED after NEXT. */
  proceedMs: number;
  /** Longest silence in the middle of a message or stream, and longest wait for the kernel to take what we write. */
  stallMs: number;
  /** One message from its first to its last byte. Streams are bounded by `stallMs` only. */
  messageMs: number;
  /** How long a dispatcher holds a poll for which there is no request, before it sends the empty message. */
  pollHoldMs: number;
  /** A subscriber's patience for a request or the empty message. */
  pollMs: number;
  /** Either side's patience for NEXT or PROCEED while polling. */
  pollControlMs: number;
  /** How long a request waits for its subscriber to collect it. */
  collectMs: number;
  /** Requests that wait for one subscriber. */
  queuedCallsMax: number;
  /** First pause before a subscriber connects again; doubled with every failure, and spread at random. */
  reconnectMsMin: number;
  /** Longest such pause before it is spread. */
  reconnectMsMax: number;
  /** How long an idle connection is kept for the next call. */
  poolIdleMs: number;
  /** Idle connections kept per peer. */
  poolConnectionsMax: number;
  /** How long a closing connection may take to flush. */
  closeMs: number;
  /** New connections that may wait in the kernel until the listener takes them. */
  acceptBacklog: number;
  /** Connections a listener holds at once. */
  connectionsMax: number;
  /** Connections a listener holds at once whose peer has not identified itself yet. */
  unidentifiedConnectionsMax: number;
  /** Significant characters of the hello block. */
  helloCharactersMax: number;
  /** One identity line. */
  identityLineBytesMax: number;
  /** Empty lines skipped before a control word. */
  controlEmptyLinesMax: number;
  /** A message before compression. */
  messageBytesMax: number;
  /** A message as compressed. */
  messageCompressedBytesMax: number;
  /** Elements (members and items) of one message. */
  messageElementsMax: number;
  /** Depth of nested documents and arrays in one message. */
  messageDepthMax: number;
  /** Streams behind one message. */
  streamsPerMessageMax: number;
  /** One stream. */
  streamBytesMax: number;
  /** Received streams up to this length stay in memory; longer ones go to a temporary file. */
  streamInMemoryBytesMax: number;
}

export const defaultLimits: HalibutLimits = {
  connectMs: 15_000, // a LAN answers in ms; a machine that needs longer is as good as away, and there are further attempts
  proxyAnswerBytesMax: 16 * 1024, // a status line and some headers; real ones have less than 1 kB
  connectAttemptsMax: 5, // as the original: bridges an agent's restart of about 4 s
  connectRetryPauseMs: 1_000, // as the original
  helloMs: 15_000, // peers that dislike our certificate stay silent for ever: they must not hold a socket
  identityMs: 15_000, // the lines are written at once, so only a broken peer needs longer
  requestMs: 600_000, // as the original
  nextMs: 600_000, // original callers keep idle connections for 9 minutes: outlive them
  proceedMs: 10_000, // giving up is safe here: the request has not been sent and goes over a new connection
  stallMs: 60_000, // as the original's send and receive limit
  messageMs: 300_000, // the largest message at 200 kB/s
  pollHoldMs: 30_000, // as the original; its agents hang up after 60 s without a word
  pollMs: 60_000, // two holds
  pollControlMs: 60_000, // as the original
  collectMs: 120_000, // as the original: an agent that was cut off needs up to two minutes to be back
  queuedCallsMax: 1_000, // far above what one agent can work off in `collectMs`
  reconnectMsMin: 1_000, // a restarted server is found again at once
  reconnectMsMax: 60_000, // a server that is away for hours is not hammered
  poolIdleMs: 50_000, // an original agent hangs up after 60 s of silence
  poolConnectionsMax: 20, // with fewer, parallel calls to one agent reconnect all the time
  closeMs: 1_000, // enough for END to leave; after that the socket is destroyed
  acceptBacklog: 4_096, // all agents of a restarted server come at once; what does not fit is tried again by TCP only a second later
  connectionsMax: 10_000, // bounds sockets and buffers; 5,000 agents of which some hold several
  unidentifiedConnectionsMax: 2_000, // strangers can take this many places for `helloMs`, and not one of the rest; returning agents begin as strangers
  helloCharactersMax: 20_000, // as the original
  identityLineBytesMax: 1_024, // real lines have less than 100
  controlEmptyLinesMax: 16, // real peers send at most one
  messageBytesMax: 64 * 1024 * 1024, // an agent's answer carries all log text since the last one
  messageCompressedBytesMax: 64 * 1024 * 1024 + 64 * 1024, // incompressible content plus the framing of stored blocks
  messageElementsMax: 2_000_000, // 500,000 log lines in one answer; each costs about 100 bytes of memory
  messageDepthMax: 32, // the deepest known contract has 6
  streamsPerMessageMax: 256, // script files of one step
  streamBytesMax: 16 * 1024 * 1024 * 1024, // a package; the disk is the real limit
  streamInMemoryBytesMax: 64 * 1024, // most script files; saves a file each
};

/** The longest time that timers can be set to: 24.8 days. A longer one would end at once. */
export const TIMER_MS_MAX = 2 ** 31 - 1;

/** The defaults with some values replaced. */
export function withDefaultLimits(limits: Partial<HalibutLimits> | undefined): HalibutLimits {
  return { ...defaultLimits, ...limits };
}
