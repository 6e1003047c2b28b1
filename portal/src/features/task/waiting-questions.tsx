// Above a task that waits for a person: the questions it asks, each a link to where it is answered.

import { useQuery } from "@tanstack/react-query";
import { questionsOfTaskQuery } from "../../api/questions.ts";
import { ButtonLink } from "../../design/button.tsx";
import { Notice } from "../../design/notice.tsx";

export function WaitingQuestions({ space, task }: { space: string; task: string }) {
  const { data = [] } = useQuery(questionsOfTaskQuery(space, task));
  return data.map((question) => (
    <Notice
      key={question.Id}
      kind="warning"
      isSpoken
      actions={
        <ButtonLink weight="primary" href={{ to: "/app/$space/approvals/$question", params: { space, question: question.Id } }}>
          {question.CanTakeResponsibility ? "Answer …" : "Read …"}
        </ButtonLink>
      }
    >
      <strong>{question.Title}</strong> waits for {question.CanTakeResponsibility ? "your answer" : "the answer of somebody else"}.
    </Notice>
  ));
}
