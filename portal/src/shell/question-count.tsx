// How many questions wait for the person who is signed in, beside the way to them. Who may see no questions sees no number.

import { useQuery } from "@tanstack/react-query";
import { questionsShown, waitingQuestionsQuery } from "../api/questions.ts";
import css from "./shell.module.css";

export function QuestionCount({ space }: { space: string }) {
  const { data } = useQuery(waitingQuestionsQuery(space));
  const count = data?.questions.filter((one) => one.CanTakeResponsibility).length ?? 0;
  if (count === 0) return null;
  const text = count >= questionsShown && (data?.total ?? 0) > count ? `${count}+` : String(count);
  return (
    <span className={css["count"]}>
      {text}
      <span className="visually-hidden"> waiting for you</span>
    </span>
  );
}
