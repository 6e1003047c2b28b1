// Tasks, their log tree, and the events of the audit trail.

import { anything, flag, id, links, list, map, object, oneOf, orNull, page, text, time, whole } from "./shapes.ts";
import { Type } from "typebox";

export const ServerTask = object({
  Id: id(),
  SpaceId: orNull(id()),
  ProjectId: orNull(id()),
  Name: text(),
  Description: text(),
  Arguments: map(anything()),
  State: oneOf(["Queued", "Executing", "Cancelling", "Success", "Failed", "Canceled", "TimedOut"]),
  Completed: orNull(text()),
  QueueTime: time(),
  QueueTimeExpiry: orNull(time()),
  StartTime: orNull(time()),
  LastUpdatedTime: time(),
  CompletedTime: orNull(time()),
  ServerNode: orNull(id()),
  Duration: orNull(text()),
  ErrorMessage: orNull(text()),
  HasBeenPickedUpByProcessor: flag(),
  IsCompleted: flag(),
  FinishedSuccessfully: flag(),
  HasPendingInterruptions: flag(),
  PendingInterruptionTypes: list(text()),
  HasWarningsOrErrors: flag(),
  CanRerun: flag(),
  Links: links(),
});

const taskPage = page(ServerTask);
export const ServerTaskPage = object({
  ...taskPage.properties,
  TotalCounts: object({
    Queued: whole(),
    Executing: whole(),
    Cancelling: whole(),
    Success: whole(),
    Failed: whole(),
    Canceled: whole(),
    TimedOut: whole(),
    Interrupted: whole(),
  }),
  TotalCountsInOtherSpaces: map(whole()),
});

const LogElement = object({ Category: text(), OccurredAt: time(), MessageText: text(), Detail: orNull(text()) });

/** A node of the log tree. Its children have the same shape, to any depth the log has. */
export const ActivityLogNode = Type.Unknown();

export const ServerTaskDetails = object({
  Id: orNull(id()),
  Task: ServerTask,
  ActivityLogs: list(ActivityLogNode),
  PhysicalLogSize: whole(),
  /** Parts are steps on one of their targets, and steps that run once; counted over the whole plan once there is one. */
  Progress: object({
    ProgressPercentage: whole(),
    /** "3 minutes", at the pace of the step that runs; null where that would be a guess. */
    EstimatedTimeRemaining: orNull(text()),
    StepsCompleted: whole(),
    StepsTotal: whole(),
    PartsCompleted: whole(),
    PartsTotal: whole(),
  }),
  Links: links(),
});
export { LogElement };

/** A line of a task's log by its number, which is the same on every node and for ever. */
const TaskLogLine = object({ Number: whole(), BlockId: text(), Category: text(), OccurredAt: time(), MessageText: text() });

export const TaskLogLines = object({
  TaskId: id(),
  IsCompleted: flag(),
  /** Lines of the whole log as it is now. */
  LineCount: whole(),
  Lines: list(TaskLogLine),
  /** Where the events of the log go on behind these lines, for `lastEventId`. */
  Position: text(),
  Links: links(),
});

export const TaskLogFound = object({
  TaskId: id(),
  Lines: list(TaskLogLine),
  /** From which line on to ask for further ones; null when all were looked through. */
  NextFrom: orNull(whole()),
  Links: links(),
});

export const ServerTaskBody = object({
  Name: text(),
  SpaceId: Type.Optional(orNull(id())),
  Description: Type.Optional(orNull(text())),
  Arguments: Type.Optional(orNull(map(anything()))),
});
/** Why a task does not go on, as far as the cluster can tell. */
export const TaskWaiting = object({
  TaskId: id(),
  State: text(),
  IsWaiting: flag(),
  Reasons: list(
    object({
      Kind: oneOf(["Scheduled", "TasksAhead", "TaskCap", "NoNode", "Starting", "NodeLost", "AgentSilent", "Interruption"]),
      Message: text(),
      /** What it waits for: tasks, nodes or machines. */
      RelatedDocumentIds: list(id()),
    }),
  ),
  Links: links(),
});
export const TaskType = object({ Id: text(), Name: text() });

export const Event = object({
  Id: id(),
  SpaceId: orNull(id()),
  Category: text(),
  UserId: orNull(id()),
  Username: text(),
  Occurred: time(),
  Message: text(),
  MessageHtml: text(),
  MessageReferences: list(object({})),
  RelatedDocumentIds: list(id()),
  Links: links(),
});
