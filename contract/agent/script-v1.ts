// The first generation of the script service, for servers that ask for nothing newer. The agent makes the ticket here, so a start
// whose answer was lost must never be repeated. Types that both generations share are in script.ts.
import type { ProcessOutput, ProcessState, ScriptFile, ScriptIsolationLevel, ScriptTicket } from "./script.ts";

export interface StartScriptCommand {
  ScriptBody: string;
  Isolation: ScriptIsolationLevel;
  Scripts: { readonly [scriptType: string]: string } | null;
  Files: readonly ScriptFile[] | null;
  Arguments: readonly string[] | null;
  TaskId: string | null;
  /** In ms. */
  ScriptIsolationMutexTimeout: number;
  IsolationMutexName: string | null;
}

/** Sent with GetStatus; CancelScript and CompleteScript have the same members. */
export interface ScriptStatusRequest {
  Ticket: ScriptTicket;
  LastLogSequence: number;
}

export interface ScriptStatusResponse {
  Ticket: ScriptTicket;
  Logs: ProcessOutput[];
  NextLogSequence: number;
  State: ProcessState;
  ExitCode: number;
}

/** Written under their historic names, which every agent and server knows. */
const legacy = <Name extends string>(name: Name) =>
  ({
    type: `Octopus.Shared.Contracts.${name}, Octopus.Shared`,
    alsoAccepts: [`Octopus.Tentacle.Contracts.${name}, Octopus.Tentacle.Contracts`],
  }) as const;

const ticket = { kind: "object", ...legacy("ScriptTicket"), members: { TaskId: { kind: "string" } } } as const;

const scriptFile = {
  kind: "object",
  ...legacy("ScriptFile"),
  members: { Name: { kind: "string" }, Contents: { kind: "stream" }, EncryptionPassword: { kind: "string" } },
} as const;

const startScript = {
  kind: "object",
  ...legacy("StartScriptCommand"),
  members: {
    ScriptBody: { kind: "string" },
    Isolation: { kind: "int32", names: { NoIsolation: 0, FullIsolation: 1 } },
    Scripts: { kind: "dictionary", of: { kind: "string" } },
    Files: { kind: "list", of: scriptFile },
    Arguments: { kind: "list", of: { kind: "string" } },
    TaskId: { kind: "string" },
    ScriptIsolationMutexTimeout: { kind: "timespan" },
    IsolationMutexName: { kind: "string" },
  },
} as const;

const request = <Name extends string>(name: Name) =>
  ({ kind: "object", ...legacy(name), members: { Ticket: ticket, LastLogSequence: { kind: "int64" } } }) as const;

const response = {
  kind: "object",
  ...legacy("ScriptStatusResponse"),
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

/** StartScript answers the ticket, the other three a {@link ScriptStatusResponse}; that of CompleteScript holds the last lines and must be used. */
export const scriptServiceV1 = {
  name: "IScriptService",
  methods: {
    StartScript: { params: [startScript], result: ticket },
    GetStatus: { params: [request("ScriptStatusRequest")], result: response },
    CancelScript: { params: [request("CancelScriptCommand")], result: response },
    CompleteScript: { params: [request("CompleteScriptCommand")], result: response },
  },
} as const;
