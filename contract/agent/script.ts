// What server and agent say to each other about running a script: the second-generation script service, as plain data for the
// wire and as types for the code on both sides. How the agent keeps its promises is not here but in agent/services/script.

/** How far a script has come: `0` waits for its isolation lock, `1` runs, `2` is over and its exit code is final. */
export const processState = { pending: 0, running: 1, complete: 2 } as const;
export type ProcessState = (typeof processState)[keyof typeof processState];

/** Where a log line comes from. `debug` lines are written by the agent itself. */
export const processOutputSource = { stdOut: 0, stdErr: 1, debug: 2 } as const;
export type ProcessOutputSource = (typeof processOutputSource)[keyof typeof processOutputSource];

/** `fullIsolation` runs alone among the scripts of the same mutex name; `noIsolation` scripts share with each other. */
export const scriptIsolationLevel = { noIsolation: 0, fullIsolation: 1 } as const;
export type ScriptIsolationLevel = (typeof scriptIsolationLevel)[keyof typeof scriptIsolationLevel];

/** "No timeout" for `ScriptIsolationMutexTimeout`, in ms: the largest 32-bit number, as the vendor's server sends it. */
export const isolationMutexTimeoutNoneMs = 2_147_483_647;

/** The mutex of a command whose `IsolationMutexName` is null. */
export const isolationMutexNameDefault = "RunningScript";

/** The ticket of a script. `TaskId` is chosen by the server, unique per script, `[A-Za-z0-9-]`; two that differ only in letter case are the same ticket. */
export interface ScriptTicket {
  TaskId: string;
}

/** Bytes that travel beside a message; the same form as a data stream of the wire library. */
export interface ScriptFileContents {
  length: number;
  open(): AsyncIterable<Uint8Array>;
}

/** A small file laid beside the script. With a password the agent stores it AES-encrypted (form: `IV__`, 16 bytes, AES-128-CBC). */
export interface ScriptFile {
  /** Path relative to the workspace; folders are created. */
  Name: string;
  Contents: ScriptFileContents;
  EncryptionPassword: string | null;
}

/** Starts a script, or joins the one that was started with the same ticket: sending it again never runs the script twice. */
export interface StartScriptCommandV2 {
  ScriptTicket: ScriptTicket;
  /** Run when `Scripts` has no `Bash` entry. */
  ScriptBody: string;
  /** The server's task, such as `ServerTasks-123`; appears in isolation messages. Stock agents leak their lock when it is null: never send null. */
  TaskId: string | null;
  /** The call may block so long for the script to end, in ms; null answers at once. */
  DurationToWaitForScriptToFinish: number | null;
  Isolation: ScriptIsolationLevel;
  /** In ms; `0` and {@link isolationMutexTimeoutNoneMs} wait for ever. */
  ScriptIsolationMutexTimeout: number;
  IsolationMutexName: string | null;
  /** Variants by script type: `PowerShell`, `Bash`. */
  Scripts: { readonly [scriptType: string]: string } | null;
  Files: readonly ScriptFile[] | null;
  /** Joined by blanks; quoted by the caller: double quotes group and vanish, nothing else is special. */
  Arguments: readonly string[] | null;
}

export interface ScriptStatusRequestV2 {
  Ticket: ScriptTicket;
  /** The `NextLogSequence` of the answer before; `0` at the beginning. */
  LastLogSequence: number;
}

export interface CancelScriptCommandV2 {
  Ticket: ScriptTicket;
  LastLogSequence: number;
}

/** Ends the server's interest: the agent deletes the workspace. Send it only when the result is stored. */
export interface CompleteScriptCommandV2 {
  Ticket: ScriptTicket;
}

/** One line of a script's log. */
export interface ProcessOutput {
  Source: ProcessOutputSource;
  Occurred: Date;
  Text: string;
}

export interface ScriptStatusResponseV2 {
  Ticket: ScriptTicket;
  /** The lines after the asked sequence. Not always all of them: ask again from `NextLogSequence` until an answer has none. */
  Logs: ProcessOutput[];
  NextLogSequence: number;
  /** Our agent says `complete` only in an answer that reaches the end of the log. */
  State: ProcessState;
  /** Meaningful when `State` is complete; see `exit-codes.ts` for the agent's own. */
  ExitCode: number;
}

const ticket = {
  kind: "object",
  type: "Octopus.Shared.Contracts.ScriptTicket, Octopus.Shared",
  alsoAccepts: ["Octopus.Tentacle.Contracts.ScriptTicket, Octopus.Tentacle.Contracts"],
  members: { TaskId: { kind: "string" } },
} as const;

const scriptFile = {
  kind: "object",
  type: "Octopus.Shared.Contracts.ScriptFile, Octopus.Shared",
  alsoAccepts: ["Octopus.Tentacle.Contracts.ScriptFile, Octopus.Tentacle.Contracts"],
  members: { Name: { kind: "string" }, Contents: { kind: "stream" }, EncryptionPassword: { kind: "string" } },
} as const;

const startScript = {
  kind: "object",
  type: "Octopus.Tentacle.Contracts.ScriptServiceV2.StartScriptCommandV2, Octopus.Tentacle.Contracts",
  members: {
    ScriptBody: { kind: "string" },
    TaskId: { kind: "string" },
    ScriptTicket: ticket,
    DurationToWaitForScriptToFinish: { kind: "timespan" },
    Isolation: { kind: "int32", names: { NoIsolation: 0, FullIsolation: 1 } },
    ScriptIsolationMutexTimeout: { kind: "timespan" },
    IsolationMutexName: { kind: "string" },
    Scripts: { kind: "dictionary", of: { kind: "string" } },
    Files: { kind: "list", of: scriptFile },
    Arguments: { kind: "list", of: { kind: "string" } },
  },
} as const;

const statusRequest = {
  kind: "object",
  type: "Octopus.Tentacle.Contracts.ScriptServiceV2.ScriptStatusRequestV2, Octopus.Tentacle.Contracts",
  members: { Ticket: ticket, LastLogSequence: { kind: "int64" } },
} as const;

const cancelScript = {
  kind: "object",
  type: "Octopus.Tentacle.Contracts.ScriptServiceV2.CancelScriptCommandV2, Octopus.Tentacle.Contracts",
  members: { Ticket: ticket, LastLogSequence: { kind: "int64" } },
} as const;

const completeScript = {
  kind: "object",
  type: "Octopus.Tentacle.Contracts.ScriptServiceV2.CompleteScriptCommandV2, Octopus.Tentacle.Contracts",
  members: { Ticket: ticket },
} as const;

const statusResponse = {
  kind: "object",
  type: "Octopus.Tentacle.Contracts.ScriptServiceV2.ScriptStatusResponseV2, Octopus.Tentacle.Contracts",
  members: {
    Ticket: ticket,
    Logs: {
      kind: "list",
      of: {
        kind: "object",
        type: "Octopus.Tentacle.Contracts.ProcessOutput, Octopus.Tentacle.Contracts",
        members: { Source: { kind: "int32" }, Occurred: { kind: "date" }, Text: { kind: "string" } },
      },
    },
    NextLogSequence: { kind: "int64" },
    State: { kind: "int32" },
    ExitCode: { kind: "int32" },
  },
} as const;

/** The script service by ticket: StartScript, GetStatus and CancelScript answer a {@link ScriptStatusResponseV2}, CompleteScript nothing. */
export const scriptServiceV2 = {
  name: "IScriptServiceV2",
  methods: {
    StartScript: { params: [startScript], result: statusResponse },
    GetStatus: { params: [statusRequest], result: statusResponse },
    CancelScript: { params: [cancelScript], result: statusResponse },
    CompleteScript: { params: [completeScript], result: { kind: "void" } },
  },
} as const;
