// Interruptions: questions a running task asks a person. Somebody takes one, and answers it once; the answer is stored in the transaction
// that lets the task go on, on any node.

import { Type } from "typebox";
import { page } from "@cuttle/contract/rest/shapes";
import { Interruption, InterruptionAnswer } from "@cuttle/contract/rest/interruptions";
import { User } from "@cuttle/contract/rest/users";
import { problem } from "../../../base/problems.ts";
import { resumeTask } from "../../../engine/tasks/tasks.ts";
import { actorOf, mayDo } from "../../../platform/access/access.ts";
import type { Caller } from "../../../platform/access/access.ts";
import { recordEvent, systemActor } from "../../../platform/audit/audit.ts";
import { nextId } from "../../../platform/database/database.ts";
import type { Queryable, Transaction } from "../../../platform/database/database.ts";
import { change, ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { listQuery, pageOf, pageWanted } from "../../../platform/resources/resources.ts";
import { findUserDocument } from "../../organization/organization.ts";
import { createGuidedFailure } from "./guided-failure.ts";
import { formOf, hasResponsibility, mayTakeResponsibility, readAnswer } from "./interruption-rules.ts";
import type { Asker, Responsibility } from "./interruption-rules.ts";
import type { Question } from "./interruption.ts";
import * as store from "./interruption-store.ts";
import type { InterruptionRow } from "./interruption-store.ts";

export { findAnswer } from "./interruption-store.ts";
export type { AnsweredBy } from "./interruption-store.ts";
export { manualChoices } from "./interruption-rules.ts";

/** Stores the question and its event once, however often it is asked. The caller has passed the guard of the task. */
export async function askPerson(tx: Transaction, question: Question): Promise<void> {
  if ((await store.findAnswer(tx, question)) !== undefined) return;
  const { id, number } = await nextId(tx, "Interruptions");
  const relatedDocumentIds = [question.taskId, ...question.relatedDocumentIds.filter((one) => one !== question.taskId)];
  const isNew = await store.insertInterruption(tx, {
    id,
    number,
    space_id: question.spaceId,
    task_id: question.taskId,
    block: question.block,
    attempt: question.attempt,
    type: question.type,
    title: question.title,
    instructions: question.instructions,
    choices: [...question.choices],
    responsible_team_ids: [...question.responsibleTeamIds],
    related_document_ids: relatedDocumentIds,
  });
  if (!isNew) return;
  await recordEvent(tx, {
    spaceId: question.spaceId,
    category: `${question.type}InterruptionRaised`,
    actor: systemActor,
    message: `${question.title} waits for a person`,
    relatedDocumentIds: [id, ...relatedDocumentIds],
  });
}

/** What the engine asks when an action fails in a deployment with guided failure. */
export const guidedFailure = createGuidedFailure(askPerson);

/** Teams do not exist yet, so nobody is in one: an interruption that names a team is for those who may submit any. */
const teamIds: readonly string[] = [];

function askerOf(caller: Caller, spaceId: string): Asker {
  return {
    userId: caller.userId,
    maySubmitAny: mayDo(caller, "InterruptionSubmit", { spaceId }),
    maySubmitResponsible: mayDo(caller, "InterruptionViewSubmitResponsible", { spaceId }),
    teamIds,
  };
}

function responsibilityOf(row: InterruptionRow): Responsibility {
  return { isPending: row.is_pending, responsibleTeamIds: row.responsible_team_ids, responsibleUserId: row.responsible_user_id };
}

function present(row: InterruptionRow, caller: Caller) {
  const asker = askerOf(caller, row.space_id);
  const responsibility = responsibilityOf(row);
  const self = `/api/${row.space_id}/interruptions/${row.id}`;
  return {
    Id: row.id,
    SpaceId: row.space_id,
    Type: row.type,
    Title: row.title,
    Created: row.created_at,
    IsPending: row.is_pending,
    Form: formOf(row),
    RelatedDocumentIds: row.related_document_ids,
    ResponsibleTeamIds: row.responsible_team_ids,
    ResponsibleUserId: row.responsible_user_id,
    CanTakeResponsibility: mayTakeResponsibility(responsibility, asker),
    HasResponsibility: hasResponsibility(responsibility, asker),
    TaskId: row.task_id,
    CorrelationId: `${row.task_id}_${row.block}`,
    IsLinkedToOtherInterruption: false,
    Links: {
      Self: self,
      Submit: `${self}/submit`,
      Responsible: `${self}/responsible`,
      Task: `/api/${row.space_id}/tasks/${row.task_id}`,
    },
  };
}

async function getInterruption(db: Queryable, spaceId: string, id: string): Promise<InterruptionRow> {
  const row = await store.findInterruption(db, spaceId, id);
  if (row === undefined) throw problem.notFound("interruption", id);
  return row;
}

async function lockedInterruption(tx: Transaction, spaceId: string, id: string): Promise<InterruptionRow> {
  const row = await store.lockInterruption(tx, spaceId, id);
  if (row === undefined) throw problem.notFound("interruption", id);
  return row;
}

function requirePending(row: InterruptionRow): void {
  if (row.is_pending) return;
  throw problem.invalid(
    row.answered_by === null
      ? `The task ${row.task_id} has ended, so ${row.id} needs no answer any more.`
      : `${row.id} was answered already, with ${row.result}, by ${row.answered_by.username}.`,
  );
}

const query = Type.Object({ ...listQuery, regarding: Type.Optional(Type.String()), pendingOnly: Type.Optional(Type.Boolean()) });

export const interruptionRoutes: Route[] = [
  read({
    path: "/interruptions",
    scope: "space",
    permission: "InterruptionView",
    query,
    answer: page(Interruption),
    handler: async ({ db, space, caller, query: wanted }) => {
      const window = pageWanted(wanted);
      const { rows, total } = await store.listInterruptions(db, space.id, wanted, window);
      return ok(
        pageOf({
          itemType: "Interruption",
          items: rows.map((row) => present(row, caller)),
          total,
          wanted: window,
          path: `/api/${space.id}/interruptions`,
          query: wanted,
        }),
      );
    },
  }),
  read({
    path: "/interruptions/{id}",
    scope: "space",
    permission: "InterruptionView",
    answer: Interruption,
    handler: async ({ db, space, caller, params }) => ok(present(await getInterruption(db, space.id, params.id), caller)),
  }),
  read({
    path: "/interruptions/{id}/responsible",
    scope: "space",
    permission: "InterruptionView",
    answer: User,
    handler: async ({ db, space, caller, params }) => {
      const row = await getInterruption(db, space.id, params.id);
      const user = row.responsible_user_id === null ? undefined : await findUserDocument(db, caller, row.responsible_user_id);
      if (user === undefined) throw problem.notFound("responsible user of the interruption", row.id);
      return ok(user);
    },
  }),
  change({
    method: "PUT",
    path: "/interruptions/{id}/responsible",
    scope: "space",
    permission: "InterruptionView",
    answer: User,
    handler: async ({ tx, space, caller, params }) => {
      const row = await lockedInterruption(tx, space.id, params.id);
      requirePending(row);
      if (!mayTakeResponsibility(responsibilityOf(row), askerOf(caller, space.id))) throw problem.notAllowed("InterruptionSubmit");
      const user = await findUserDocument(tx, caller, caller.userId!);
      if (user === undefined) throw problem.notFound("user", caller.userId!);
      if (row.responsible_user_id !== caller.userId) {
        await store.setResponsible(tx, row.id, caller.userId!);
        await recordEvent(tx, {
          spaceId: space.id,
          category: "Modified",
          actor: actorOf(caller),
          message: `${caller.username} took responsibility for ${row.title}`,
          relatedDocumentIds: [row.id, ...row.related_document_ids],
        });
      }
      return ok(user);
    },
  }),
  change({
    method: "POST",
    path: "/interruptions/{id}/submit",
    scope: "space",
    permission: "InterruptionView",
    body: InterruptionAnswer,
    answer: Interruption,
    handler: async ({ tx, space, caller, params, body }) => {
      const seen = await getInterruption(tx, space.id, params.id);
      // The task first, then the interruption: so does the node that is about to let go of the task.
      const isUnfinished = await resumeTask(tx, seen.task_id, () => submit(tx, caller, seen, body));
      // Of a task that has ended nothing is pending, so this stores nothing: it says why, or that it is the same answer once more.
      if (!isUnfinished) await submit(tx, caller, seen, body);
      return ok(present(await getInterruption(tx, space.id, seen.id), caller));
    },
  }),
];

async function submit(tx: Transaction, caller: Caller, seen: InterruptionRow, body: Record<string, unknown>): Promise<void> {
  const row = await lockedInterruption(tx, seen.space_id, seen.id);
  const answer = readAnswer(row, body);
  if (!answer.ok) throw problem.invalid(answer.faults);
  // The same answer of the same person once more is a repeated request.
  if (row.result === answer.result && row.answered_by?.id === caller.userId) return;
  requirePending(row);
  const asker = askerOf(caller, row.space_id);
  if (!mayTakeResponsibility(responsibilityOf(row), asker)) throw problem.notAllowed("InterruptionSubmit");
  if (!hasResponsibility(responsibilityOf(row), asker))
    throw problem.invalid(`Take responsibility for ${row.id} before you answer it (PUT ${present(row, caller).Links.Responsible}).`);
  const user = await findUserDocument(tx, caller, caller.userId!);
  await store.setAnswer(tx, row.id, {
    result: answer.result,
    notes: answer.notes,
    answeredBy: {
      id: caller.userId,
      username: caller.username,
      displayName: user?.DisplayName ?? caller.username,
      emailAddress: user?.EmailAddress ?? "",
    },
  });
  await recordEvent(tx, {
    spaceId: row.space_id,
    category: "Modified",
    actor: actorOf(caller),
    message: `${caller.username} answered ${row.title} with ${answer.result}`,
    relatedDocumentIds: [row.id, ...row.related_document_ids],
  });
}
