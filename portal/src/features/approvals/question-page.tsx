// One question of a running task: what it asks, who has taken it, and the answer, which is given once. When somebody else answers
// meanwhile, the form becomes the result and one's notes stay to be copied.

import { useMutation, useQuery, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { Link, getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import type { Interruption } from "../../api/documents.ts";
import {
  answerQuestion,
  askingTasksQuery,
  questionQuery,
  responsibleQuery,
  takeResponsibility,
  waitingQuestionsQuery,
} from "../../api/questions.ts";
import { meQuery } from "../../api/session.ts";
import { Button, ButtonLink } from "../../design/button.tsx";
import { Dialog } from "../../design/dialog.tsx";
import { TextField } from "../../design/field.tsx";
import { Loaded } from "../../design/loaded.tsx";
import { MarkdownText } from "../../design/markdown-text.tsx";
import { Notice } from "../../design/notice.tsx";
import { PageHeader, Panel } from "../../design/page.tsx";
import { StateLabel } from "../../design/state-label.tsx";
import { TimeText } from "../../design/time-text.tsx";
import { ErrorPanel, Skeleton } from "../../design/view-states.tsx";
import css from "./approvals-page.module.css";
import { readForm } from "./question-form.ts";
import type { Choice, QuestionForm } from "./question-form.ts";

const route = getRouteApi("/signed-in/app/$space/approvals/$question");

export function QuestionPage() {
  const { space, question } = route.useParams();
  const query = useQuery(questionQuery(space, question));
  return (
    <>
      {query.data === undefined && <PageHeader title="Question" within={["Approvals"]} above={<Up space={space} />} />}
      <Loaded query={query} what="The question" skeleton={<Skeleton height="20rem" />}>
        {(found) => <QuestionView key={found.Id} space={space} question={found} />}
      </Loaded>
    </>
  );
}

function Up({ space }: { space: string }) {
  return (
    <Link to="/app/$space/approvals" params={{ space }}>
      Approvals
    </Link>
  );
}

function QuestionView({ space, question }: { space: string; question: Interruption }) {
  const { data: tasks } = useQuery(askingTasksQuery(space, [question.TaskId]));
  const [notes, setNotes] = useState("");
  const form = readForm(question);
  return (
    <div className={css["question"]}>
      <PageHeader
        title={question.Title}
        within={["Approvals"]}
        above={<Up space={space} />}
        beside={
          <div className={css["facts"]} role="status">
            {question.IsPending ? (
              <StateLabel state="Waiting" />
            ) : (
              <span>{form.answer === null ? "Needs no answer any more" : `Answered: ${form.answer}`}</span>
            )}
            <span>{tasks?.get(question.TaskId)?.Description}</span>
            <span className="muted">
              asked <TimeText at={question.Created} />
            </span>
          </div>
        }
        actions={<ButtonLink href={{ to: "/app/$space/tasks/$task", params: { space, task: question.TaskId } }}>Task and log</ButtonLink>}
      />
      <Panel title={question.Type === "GuidedFailure" ? "What happened" : "Instructions"}>
        {form.instructions === "" ? <p>There are none.</p> : <MarkdownText text={form.instructions} />}
      </Panel>
      {question.IsPending ? (
        <Answer space={space} question={question} form={form} notes={notes} onNotes={setNotes} />
      ) : (
        <Result space={space} question={question} form={form} ownNotes={notes} />
      )}
    </div>
  );
}

interface AnswerProps {
  space: string;
  question: Interruption;
  form: QuestionForm;
  notes: string;
  onNotes(notes: string): void;
}

function Answer({ space, question, form, notes, onNotes }: AnswerProps) {
  const queries = useQueryClient();
  const { data: me } = useSuspenseQuery(meQuery);
  const { data: responsible } = useQuery(responsibleQuery(space, question));
  const [asked, setAsked] = useState<Choice>();
  const readAgain = () =>
    Promise.all([
      queries.invalidateQueries({ queryKey: questionQuery(space, question.Id).queryKey }),
      queries.invalidateQueries({ queryKey: waitingQuestionsQuery(space).queryKey }),
    ]);
  const take = useMutation({ mutationFn: () => takeResponsibility(space, question.Id), onSettled: readAgain });
  const answer = useMutation({
    mutationFn: (value: string) =>
      answerQuestion(space, question.Id, { Instructions: null, Notes: notes.trim() === "" ? null : notes, [form.field]: value }),
    onSettled: readAgain,
  });
  const taker = responsible === undefined ? "Somebody else" : responsible.DisplayName || responsible.Username;

  return (
    <Panel title="Your answer">
      <div className={css["answer"]}>
        {take.isError && <ErrorPanel title="The question was not taken" error={take.error} />}
        {answer.isError && <ErrorPanel title="The answer was not taken" error={answer.error} />}
        {question.HasResponsibility ? (
          <>
            <p>You have taken this question. Others see that, and it is answered once.</p>
            <TextField
              label="Notes"
              value={notes}
              onChange={onNotes}
              rows={4}
              help="Kept with the answer, and written into the task's log."
            />
            <ul className={css["choices"]}>
              {form.choices.map((choice, index) => (
                <li key={choice.value} className={css["choice"]}>
                  <Button
                    {...(choice.isFinal ? { weight: "danger" as const } : index === 0 ? { weight: "primary" as const } : {})}
                    isPending={answer.isPending}
                    aria-describedby={`choice-${choice.value}`}
                    onPress={() => (choice.isFinal ? setAsked(choice) : answer.mutate(choice.value))}
                  >
                    {choice.isFinal ? `${choice.name} …` : choice.name}
                  </Button>
                  <span id={`choice-${choice.value}`} className="muted">
                    {choice.consequence}
                  </span>
                </li>
              ))}
            </ul>
          </>
        ) : question.CanTakeResponsibility ? (
          <>
            <p>
              {question.ResponsibleUserId === null
                ? "Nobody has taken this question yet. Take it, and others see that you are looking into it."
                : `${taker} has taken this question. You may take it over; then only you can answer it.`}
            </p>
            <div>
              <Button weight="primary" isPending={take.isPending} onPress={() => take.mutate()}>
                {question.ResponsibleUserId === null ? "Take responsibility" : `Take over from ${taker}`}
              </Button>
            </div>
          </>
        ) : (
          <Notice>
            {me.DisplayName || me.Username} may read this question, but not answer it. That needs the permission InterruptionSubmit, or
            membership in a team the question names with InterruptionViewSubmitResponsible; ask an administrator of this space.
            {question.ResponsibleUserId !== null && ` ${taker} has taken it.`}
          </Notice>
        )}
      </div>
      <Dialog
        title={`${asked?.name ?? ""}?`}
        isOpen={asked !== undefined}
        isAlert
        onLeave={() => setAsked(undefined)}
        actions={
          <>
            <Button onPress={() => setAsked(undefined)}>Back</Button>
            <Button
              weight="danger"
              onPress={() => {
                setAsked(undefined);
                if (asked !== undefined) answer.mutate(asked.value);
              }}
            >
              {asked?.name}
            </Button>
          </>
        }
      >
        <p>{asked?.consequence}</p>
        {notes.trim() === "" && <p className="muted">You give no reason. Notes tell those who come after you why.</p>}
      </Dialog>
    </Panel>
  );
}

function Result({ space, question, form, ownNotes }: { space: string; question: Interruption; form: QuestionForm; ownNotes: string }) {
  const { data: me } = useSuspenseQuery(meQuery);
  const { data: responsible } = useQuery(responsibleQuery(space, question));
  const isMine = question.ResponsibleUserId === me.Id;
  const who = isMine ? "You" : responsible === undefined ? "Somebody" : responsible.DisplayName || responsible.Username;
  return (
    <Panel title="Answer">
      <div className={css["answer"]}>
        {form.answer === null ? (
          <p>The task has ended without an answer to this question.</p>
        ) : (
          <p>
            {who} answered with <strong>{form.answer}</strong>.
          </p>
        )}
        {form.notes !== null && <p className={css["notes"]}>{form.notes}</p>}
        {ownNotes.trim() !== "" && ownNotes !== form.notes && (
          <TextField label="Your notes, which were not sent" value={ownNotes} isReadOnly rows={4} />
        )}
      </div>
    </Panel>
  );
}
