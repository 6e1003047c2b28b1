// Why a task failed, on top of its page: the first error of the log with the lines around it, and the way there.

import { useQuery } from "@tanstack/react-query";
import type { ServerTask } from "../../api/documents.ts";
import { firstErrorQuery } from "../../api/tasks.ts";
import { Button } from "../../design/button.tsx";
import { joined } from "../../design/class-names.ts";
import { Notice } from "../../design/notice.tsx";
import { plainText } from "../../log/ansi.ts";
import css from "./task-page.module.css";

/** What does not fit on two lines belongs into the log below. */
const charactersShown = 300;

export function FailureCard({ space, task, onGo }: { space: string; task: ServerTask; onGo(line: number): void }) {
  const { data } = useQuery(firstErrorQuery(space, task.Id));
  return (
    <Notice
      kind={task.State === "Canceled" ? "warning" : "error"}
      actions={data != null && <Button onPress={() => onGo(data.line)}>Go to line {data.line}</Button>}
    >
      <strong>{task.ErrorMessage === null || task.ErrorMessage === "" ? `The task ended as ${task.State}.` : task.ErrorMessage}</strong>
      {data != null && (
        <pre className={css["context"]}>
          {data.lines.map((line) => (
            <span key={line.Number} className={joined(css["contextLine"], line.Number === data.line && css["contextError"])}>
              {plainText(line.MessageText.slice(0, charactersShown))}
              {"\n"}
            </span>
          ))}
        </pre>
      )}
    </Notice>
  );
}
