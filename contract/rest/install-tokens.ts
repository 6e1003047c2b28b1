// What lets a machine install an agent and register itself: tokens as people make and watch them, and what the machine says with one.

import { flag, id, links, list, name, object, oneOf, optional, orNull, text, time } from "./shapes.ts";
import { Type } from "typebox";

/** How far a token has come. The last four are ends; `Failed` may be followed by another try. */
export const installStates = [
  "Waiting",
  "Started",
  "Downloaded",
  "Installed",
  "Registered",
  "Failed",
  "Healthy",
  "Unhealthy",
  "Expired",
  "Revoked",
] as const;
/** What a machine may say of itself. */
export const reportedStages = ["Started", "Downloaded", "Installed", "Failed"] as const;
/** A token is some 50 characters; more is none. */
export const tokenCharactersMax = 200;
/** A sentence and the end of an error. */
export const stageMessageCharactersMax = 2_000;

const styles = oneOf(["TentaclePassive", "TentacleActive"]);
const token = () => Type.String({ minLength: 1, maxLength: tokenCharactersMax });
const message = () => Type.String({ maxLength: stageMessageCharactersMax });

const described = {
  CommunicationStyle: styles,
  EnvironmentIds: list(id()),
  Roles: list(name()),
  /** Null takes the machine's own name. */
  MachineName: orNull(name()),
  /** Null takes the default policy of the space. */
  MachinePolicyId: orNull(id()),
  /** Where a polling agent reaches the cluster, as host:port; null takes the host of the address the token was made at. */
  CommsAddress: orNull(text()),
};

export const InstallToken = object({
  Id: id(),
  SpaceId: id(),
  ...described,
  CreatedBy: text(),
  Created: time(),
  Expires: time(),
  State: oneOf([...installStates]),
  /** What the state means here, in a sentence; what to look at where it is not well. */
  Message: text(),
  WhatToCheck: orNull(text()),
  /** In the order in which they were reached. */
  Stages: list(object({ Stage: oneOf([...installStates]), OccurredAt: time(), Message: text() })),
  MachineId: orNull(id()),
  Links: links(),
});

/** Shown once: the secret, and the lines that carry it. */
export const NewInstallToken = object({
  ...InstallToken.properties,
  Token: text(),
  /** For a POSIX shell on the machine; the token is in no argument of a program. */
  ShellLine: text(),
  /** For an agent of this ecosystem that is installed already; it takes an API key, which is to be filled in. */
  RegisterWithLine: text(),
});

export const InstallTokenBody = object({
  CommunicationStyle: optional(orNull(styles)),
  EnvironmentIds: list(id()),
  Roles: list(name()),
  MachineName: optional(orNull(name())),
  MachinePolicyId: optional(orNull(id())),
  CommsAddress: optional(orNull(Type.String({ maxLength: 300 }))),
  /** Minutes until it can no longer be used. */
  LifetimeMinutes: optional(orNull(Type.Integer({ minimum: 1, maximum: 7 * 24 * 60 }))),
});

export const InstallStageBody = object({
  Token: token(),
  Stage: oneOf([...reportedStages]),
  Message: optional(orNull(message())),
  /** Of the agent's certificate, as soon as there is one: a used token goes on for the machine that used it. */
  Thumbprint: optional(orNull(Type.String({ maxLength: 100 }))),
});

/** What the machine has to know before it registers. */
export const InstallSettings = object({
  CommunicationStyle: styles,
  MachineName: orNull(name()),
  ServerThumbprint: text(),
  /** host:port for polling agents. */
  CommsAddress: text(),
  IsRegistered: flag(),
});

export const InstallRegistrationBody = object({
  Token: token(),
  Thumbprint: Type.String({ maxLength: 100 }),
  /** https://host:port/ of a listening agent, poll://…/ of a polling one. */
  Uri: Type.String({ maxLength: 500 }),
  /** The machine's own name, used where the token names none. */
  MachineName: name(),
});

export const InstallStateBody = object({ Token: token() });
export const InstallState = object({
  State: oneOf([...installStates]),
  Message: text(),
  WhatToCheck: orNull(text()),
  MachineId: orNull(id()),
  MachineName: orNull(name()),
});
