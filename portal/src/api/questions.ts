// Questions that running tasks ask people (interruptions of the API): which wait, one of them, taking it, and answering it.

import { queryOptions, skipToken } from "@tanstack/react-query";
import type { Interruption, Page, ServerTask, User } from "./documents.ts";
import { keyOf } from "./queries.ts";
import { api, path, withQuery } from "./request.ts";

/** More are counted, but not drawn; who has so many answers from the top. */
export const questionsShown = 100;

export interface WaitingQuestions {
  questions: Interruption[];
  /** Also of those beyond the limit. */
  total: number;
}

/** Oldest first, because they have held something up for longest. */
export const waitingQuestionsQuery = (space: string) =>
  queryOptions({
    queryKey: keyOf("questions", space),
    queryFn: async ({ signal }): Promise<WaitingQuestions> => {
      const wanted = { pendingOnly: true, take: questionsShown };
      const { Items, TotalResults } = await api.get<Page<Interruption>>(withQuery(path`/${space}/interruptions`, wanted), { signal });
      return { questions: Items.toSorted((a, b) => a.Created.localeCompare(b.Created)), total: TotalResults };
    },
    // A question also ends with its task.
    meta: { changesOf: ["Interruptions", "ServerTasks"] },
  });

export const questionsOfTaskQuery = (space: string, task: string) =>
  queryOptions({
    queryKey: keyOf("questions", space, task),
    queryFn: async ({ signal }) => {
      const wanted = { regarding: task, pendingOnly: true, take: questionsShown };
      return (await api.get<Page<Interruption>>(withQuery(path`/${space}/interruptions`, wanted), { signal })).Items;
    },
    meta: { changesOf: ["Interruptions", task] },
  });

export const questionQuery = (space: string, question: string) =>
  queryOptions({
    queryKey: keyOf("question", space, question),
    queryFn: ({ signal }) => api.get<Interruption>(path`/${space}/interruptions/${question}`, { signal }),
    meta: { changesOf: [question, "ServerTasks"] },
  });

/** Who has taken a question, or answered it; asks nothing while nobody has. */
export const responsibleQuery = (space: string, question: Interruption) =>
  queryOptions({
    queryKey: keyOf("question-responsible", space, question.Id, question.ResponsibleUserId),
    queryFn:
      question.ResponsibleUserId === null
        ? skipToken
        : ({ signal }) => api.get<User>(path`/${space}/interruptions/${question.Id}/responsible`, { signal }),
    staleTime: Infinity,
  });

/** The tasks that ask, by id, for what they are about. */
export const askingTasksQuery = (space: string, tasks: readonly string[]) =>
  queryOptions({
    queryKey: keyOf("asking-tasks", space, ...tasks),
    queryFn:
      tasks.length === 0
        ? skipToken
        : async ({ signal }) => {
            const wanted = { ids: tasks.join(","), take: tasks.length };
            const { Items } = await api.get<Page<ServerTask>>(withQuery(path`/${space}/tasks`, wanted), { signal });
            return new Map(Items.map((task) => [task.Id, task]));
          },
    staleTime: Infinity,
  });

export const takeResponsibility = (space: string, question: string): Promise<User> =>
  api.put(path`/${space}/interruptions/${question}/responsible`);

export const answerQuestion = (space: string, question: string, values: Record<string, string | null>): Promise<Interruption> =>
  api.post(path`/${space}/interruptions/${question}/submit`, values);
