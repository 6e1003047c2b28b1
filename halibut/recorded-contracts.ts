/** The contracts of the recorded conversations, for tests: the echo service of the library's recordings and the services of a real agent. */
import type { ServiceContract, Shape } from "./shapes.ts";

const text: Shape = { kind: "string" };
const int32: Shape = { kind: "int32" };
const int64: Shape = { kind: "int64" };
const boolean: Shape = { kind: "boolean" };
const stream: Shape = { kind: "stream" };
const nothing: Shape = { kind: "void" };

function object(type: string, members: { readonly [name: string]: Shape }): Shape {
  return { kind: "object", type, members };
}

const part = object("HalibutLab.Contracts.WheelPart, HalibutLab", { Spokes: int32, Label: text });
const inner = object("HalibutLab.Contracts.Inner, HalibutLab", { Name: text, Count: int32 });
const withStreams = object("HalibutLab.Contracts.WithStreams, HalibutLab", {
  Name: text,
  First: stream,
  Second: stream,
  More: { kind: "list", of: stream },
});

/** Without the members whose types a shape cannot express: 64-bit numbers beyond 2^53 and lists of mixed types. */
export const complexObject: Shape = object("HalibutLab.Contracts.ComplexObject, HalibutLab", {
  Text: text,
  NullText: text,
  Character: text,
  Flag: boolean,
  Byte: int32,
  Int32: int32,
  UInt32: int32,
  Single: { kind: "double" },
  Double: { kind: "double" },
  NullableInt: int32,
  NullableIntNull: int32,
  LongEnum: int64,
  Guid: { kind: "guid" },
  Bytes: { kind: "bytes" },
  When: { kind: "date" },
  Span: { kind: "timespan" },
  LongSpan: { kind: "timespan" },
  Strings: { kind: "list", of: text },
  Ints: { kind: "list", of: int32 },
  Inners: { kind: "list", of: inner },
  EmptyList: { kind: "list", of: text },
  Map: { kind: "dictionary", of: text },
  IntMap: { kind: "dictionary", of: inner },
  Nested: inner,
  Part: part,
  ReadOnlyStrings: { kind: "list", of: text },
});

export const echoContract: ServiceContract = {
  name: "IEchoService",
  methods: {
    SayHello: { params: [text], result: text },
    Echo: { params: [complexObject], result: complexObject },
    EchoPart: { params: [part], result: part },
    ReturnsNull: { params: [], result: complexObject },
    ReturnsInt: { params: [], result: int32 },
    EchoList: { params: [{ kind: "list", of: text }], result: { kind: "list", of: text } },
    EchoArray: { params: [{ kind: "list", of: text }], result: { kind: "list", of: text } },
    EchoMap: { params: [{ kind: "dictionary", of: text }], result: { kind: "dictionary", of: text } },
    Add: { params: [int64, int64], result: int64 },
    AddInt: { params: [int32, int64], result: int32 },
    NextColour: { params: [int32], result: int32 },
    EchoWhen: { params: [{ kind: "date" }], result: { kind: "date" } },
    EchoSpan: { params: [{ kind: "timespan" }], result: { kind: "timespan" } },
    EchoDecimal: { params: [{ kind: "double" }], result: { kind: "double" } },
    Flip: { params: [boolean], result: boolean },
    Half: { params: [{ kind: "double" }], result: { kind: "double" } },
    EchoGuid: { params: [{ kind: "guid" }], result: { kind: "guid" } },
    EchoBytes: { params: [{ kind: "bytes" }], result: { kind: "bytes" } },
    Upload: { params: [stream], result: int64 },
    Download: { params: [int64], result: stream },
    Many: { params: [stream, stream], result: int64 },
    Same: { params: [stream, stream], result: int64 },
    Nested: { params: [withStreams], result: withStreams },
    Wait: { params: [int64], result: text },
    ThrowIt: { params: [text], result: text },
    ThrowHalibut: { params: [text], result: text },
    Nothing: { params: [], result: nothing },
    // Not in the recorded service: asked for, and answered with an error.
    NotThere: { params: [text], result: text },
  },
};

const tentacle = "Octopus.Tentacle.Contracts";
const ticket = object("Octopus.Shared.Contracts.ScriptTicket, Octopus.Shared", { TaskId: text });
const scriptFile = object("Octopus.Shared.Contracts.ScriptFile, Octopus.Shared", {
  Name: text,
  Contents: stream,
  EncryptionPassword: text,
});
const logLine = object(`${tentacle}.ProcessOutput, ${tentacle}`, { Source: int32, Occurred: { kind: "date" }, Text: text });
const status = {
  Ticket: ticket,
  Logs: { kind: "list", of: logLine },
  NextLogSequence: int64,
  State: int32,
  ExitCode: int32,
} as const satisfies { [name: string]: Shape };
const texts: Shape = { kind: "list", of: text };
const variants: Shape = { kind: "dictionary", of: text };
const files: Shape = { kind: "list", of: scriptFile };

const v2 = (type: string, members: { readonly [name: string]: Shape }): Shape =>
  object(`${tentacle}.ScriptServiceV2.${type}, ${tentacle}`, members);
const statusV2 = v2("ScriptStatusResponseV2", status);
const v1 = (type: string, members: { readonly [name: string]: Shape }): Shape =>
  object(`Octopus.Shared.Contracts.${type}, Octopus.Shared`, members);
const statusV1 = v1("ScriptStatusResponse", status);

export const agentContracts: ServiceContract[] = [
  {
    name: "ICapabilitiesServiceV2",
    methods: {
      GetCapabilities: {
        params: [],
        result: object(`${tentacle}.Capabilities.CapabilitiesResponseV2, ${tentacle}`, { SupportedCapabilities: texts }),
      },
    },
  },
  {
    name: "IScriptServiceV2",
    methods: {
      StartScript: {
        params: [
          v2("StartScriptCommandV2", {
            ScriptTicket: ticket,
            ScriptBody: text,
            TaskId: text,
            DurationToWaitForScriptToFinish: { kind: "timespan" },
            Isolation: int32,
            ScriptIsolationMutexTimeout: { kind: "timespan" },
            IsolationMutexName: text,
            Scripts: variants,
            Files: files,
            Arguments: texts,
          }),
        ],
        result: statusV2,
      },
      GetStatus: { params: [v2("ScriptStatusRequestV2", { Ticket: ticket, LastLogSequence: int64 })], result: statusV2 },
      CancelScript: { params: [v2("CancelScriptCommandV2", { Ticket: ticket, LastLogSequence: int64 })], result: statusV2 },
      CompleteScript: { params: [v2("CompleteScriptCommandV2", { Ticket: ticket })], result: nothing },
    },
  },
  {
    name: "IScriptService",
    methods: {
      StartScript: {
        params: [
          v1("StartScriptCommand", {
            ScriptBody: text,
            Isolation: int32,
            Scripts: variants,
            Files: files,
            Arguments: texts,
            TaskId: text,
            ScriptIsolationMutexTimeout: { kind: "timespan" },
            IsolationMutexName: text,
          }),
        ],
        result: v1("ScriptTicket", { TaskId: text }),
      },
      GetStatus: { params: [v1("ScriptStatusRequest", { Ticket: ticket, LastLogSequence: int64 })], result: statusV1 },
      CancelScript: { params: [v1("CancelScriptCommand", { Ticket: ticket, LastLogSequence: int64 })], result: statusV1 },
      CompleteScript: { params: [v1("CompleteScriptCommand", { Ticket: ticket, LastLogSequence: int64 })], result: statusV1 },
    },
  },
  {
    name: "IFileTransferService",
    methods: {
      UploadFile: { params: [text, stream], result: v1("UploadResult", { FullPath: text, Hash: text, Length: int64 }) },
      DownloadFile: { params: [text], result: stream },
    },
  },
];

/** Services that nobody offers, as the recorded callers asked for them. */
export const missingContracts: ServiceContract[] = [
  { name: "IMissingService", methods: { Anything: { params: [text], result: text } } },
  { name: "INoSuchService", methods: { Hello: { params: [text], result: text } } },
  {
    name: "iscriptservicev2",
    methods: { GetStatus: { params: [v2("ScriptStatusRequestV2", { Ticket: ticket, LastLogSequence: int64 })], result: statusV2 } },
  },
];
