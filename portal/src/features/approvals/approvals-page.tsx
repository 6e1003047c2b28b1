// Questions that wait for a person: those one may answer first, the oldest on top. It follows what others take and answer.

import { useQuery } from "@tanstack/react-query";
import { Link, getRouteApi } from "@tanstack/react-router";
import type { Interruption, ServerTask } from "../../api/documents.ts";
import { askingTasksQuery, waitingQuestionsQuery } from "../../api/questions.ts";
import { Loaded } from "../../design/loaded.tsx";
import { PageHeader } from "../../design/page.tsx";
import { StateLabel } from "../../design/state-label.tsx";
import { TimeText } from "../../design/time-text.tsx";
import { EmptyState, Skeleton } from "../../design/view-states.tsx";
import css from "./approvals-page.module.css";

const route = getRouteApi("/signed-in/app/$space/approvals");

export function ApprovalsPage() {
  const { space } = route.useParams();
  const query = useQuery(waitingQuestionsQuery(space));
  const { data: tasks } = useQuery(askingTasksQuery(space, [...new Set(query.data?.questions.map((one) => one.TaskId))].toSorted()));
  return (
    <>
      <PageHeader title="Approvals" />
      <Loaded query={query} what="The questions" skeleton={<Skeleton height="12rem" />}>
        {({ questions, total }) => {
          if (total === 0) {
            return (
              <EmptyState title="Nothing waits for a person">
                A deployment asks here when it comes to a manual intervention, or when a step fails in a deployment with guided failure. The
                number beside Approvals says how many questions wait.
              </EmptyState>
            );
          }
          const mine = questions.filter((one) => one.CanTakeResponsibility);
          const others = questions.filter((one) => !one.CanTakeResponsibility);
          return (
            <div className={css["lists"]}>
              {mine.length > 0 && <QuestionList title="Waiting for you" space={space} questions={mine} tasks={tasks} />}
              {others.length > 0 && <QuestionList title="Waiting for others" space={space} questions={others} tasks={tasks} />}
              {total > questions.length && (
                <p className="muted">{total - questions.length} more wait. They appear here as those above are answered.</p>
              )}
            </div>
          );
        }}
      </Loaded>
    </>
  );
}

interface QuestionListProps {
  title: string;
  space: string;
  questions: readonly Interruption[];
  tasks: ReadonlyMap<string, ServerTask> | undefined;
}

function QuestionList({ title, space, questions, tasks }: QuestionListProps) {
  return (
    <section>
      <h2 className={css["heading"]}>
        {title} <span className="muted tabular">({questions.length})</span>
      </h2>
      <ul className={css["list"]}>
        {questions.map((question) => (
          <li key={question.Id} className={css["row"]}>
            <span className={css["what"]}>
              <Link to="/app/$space/approvals/$question" params={{ space, question: question.Id }} className={css["title"]}>
                {question.Title}
              </Link>
              <span className="muted">{tasks?.get(question.TaskId)?.Description ?? question.TaskId}</span>
            </span>
            <span className={css["facts"]}>
              <StateLabel state="Waiting" />
              <span>{question.Type === "GuidedFailure" ? "after a failure" : "for approval"}</span>
              <span className="muted">
                asked <TimeText at={question.Created} />
              </span>
              <span className="muted">
                {question.HasResponsibility ? "taken by you" : question.ResponsibleUserId === null ? "taken by nobody" : "taken by another"}
              </span>
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
