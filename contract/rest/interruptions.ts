// Interruptions: what a running task asks a person, the form of the answer, and who may give it.

import { anything, flag, id, links, list, map, object, oneOf, orNull, text, time } from "./shapes.ts";

const FormElement = object({ Name: text(), Control: map(anything()), IsValueRequired: flag() });

export const Interruption = object({
  Id: id(),
  SpaceId: id(),
  Type: oneOf(["ManualIntervention", "GuidedFailure"]),
  Title: text(),
  Created: time(),
  IsPending: flag(),
  Form: object({ Values: map(orNull(text())), Elements: list(FormElement) }),
  RelatedDocumentIds: list(id()),
  ResponsibleTeamIds: list(id()),
  ResponsibleUserId: orNull(id()),
  CanTakeResponsibility: flag(),
  HasResponsibility: flag(),
  TaskId: id(),
  CorrelationId: text(),
  IsLinkedToOtherInterruption: flag(),
  Links: links(),
});

/** The values of the form by name; what the form does not ask for is passed over. */
export const InterruptionAnswer = map(anything());
