// Artifacts: files that belong to a task, collected from machines or put there by clients.

import { Type } from "typebox";
import { id, links, object, orNull, text, time } from "./shapes.ts";

export const Artifact = object({
  Id: id(),
  SpaceId: id(),
  Filename: text(),
  Source: orNull(text()),
  ServerTaskId: orNull(id()),
  LogCorrelationId: orNull(text()),
  Created: time(),
  Links: links(),
});

export const ArtifactBody = object({
  Filename: Type.Optional(orNull(text())),
  Source: Type.Optional(orNull(text())),
  ServerTaskId: Type.Optional(orNull(id())),
  LogCorrelationId: Type.Optional(orNull(text())),
});
