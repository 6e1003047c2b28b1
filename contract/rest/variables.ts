// Variable sets of projects and of the library. A sensitive value goes in and never comes out; a null for one keeps what is stored.

import { Type } from "typebox";
import { anything, flag, id, links, list, map, name, object, oneOf, optional, orNull, text, whole, written } from "./shapes.ts";

/** Longest name of a variable: paths into configuration files are names too. */
export const variableNameCharactersMax = 1_000;

export const variableTypes = [
  "String",
  "Sensitive",
  "WorkerPool",
  "Certificate",
  "AmazonWebServicesAccount",
  "AzureAccount",
  "GoogleCloudAccount",
  "UsernamePasswordAccount",
  "GenericOidcAccount",
] as [
  "String",
  "Sensitive",
  "WorkerPool",
  "Certificate",
  "AmazonWebServicesAccount",
  "AzureAccount",
  "GoogleCloudAccount",
  "UsernamePasswordAccount",
  "GenericOidcAccount",
];
export type VariableType = (typeof variableTypes)[number];

const VariablePrompt = object({ Label: orNull(text()), Description: orNull(text()), Required: flag(), DisplaySettings: map(text()) });
const VariablePromptBody = object({
  Label: optional(orNull(text())),
  Description: optional(orNull(text())),
  Required: optional(orNull(flag())),
  DisplaySettings: optional(orNull(map(orNull(text())))),
});

export const Variable = object({
  Id: id(),
  Name: text(),
  Value: orNull(text()),
  Description: text(),
  Scope: map(list(text())),
  IsEditable: flag(),
  Prompt: orNull(VariablePrompt),
  Type: oneOf(variableTypes),
  IsSensitive: flag(),
});
const VariableBody = object({
  Id: optional(orNull(id())),
  Name: Type.String({ minLength: 1, maxLength: variableNameCharactersMax }),
  Value: optional(orNull(Type.Union([text(), flag(), Type.Integer()]))),
  Description: optional(orNull(text())),
  Scope: optional(orNull(map(orNull(Type.Union([list(text()), text()]))))),
  Prompt: optional(orNull(VariablePromptBody)),
  Type: optional(orNull(oneOf(variableTypes))),
  IsSensitive: optional(orNull(flag())),
});

const Reference = object({ Id: id(), Name: text() });
export const VariableScopeValues = object({
  Environments: list(Reference),
  Machines: Type.Array(Reference),
  Actions: Type.Array(Reference),
  Roles: Type.Array(Reference),
  Channels: Type.Array(Reference),
  TenantTags: Type.Array(Reference),
  Processes: list(object({ Id: id(), Name: text(), ProcessType: text() })),
});

export const VariableSet = object({
  Id: id(),
  SpaceId: id(),
  OwnerId: id(),
  Version: whole(),
  Variables: Type.Array(Variable),
  ScopeValues: VariableScopeValues,
  Links: links(),
});
export const VariableSetBody = object({
  SpaceId: optional(orNull(id())),
  OwnerId: optional(orNull(id())),
  Version: optional(orNull(whole())),
  Variables: list(VariableBody),
});

const librarySetMembers = {
  Name: name(),
  Description: text(),
  SpaceId: id(),
  ContentType: oneOf(["Variables", "ScriptModule"]),
  Templates: list(anything()),
};
export const LibraryVariableSet = object({ Id: id(), ...librarySetMembers, VariableSetId: id(), Links: links() });
export const LibraryVariableSetBody = written(librarySetMembers);
