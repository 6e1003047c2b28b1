// Why a task failed, on top of its page: the first error of the log with the lines around it, and the way there.

import { useQuery } from "@tanstack/react-query";
import type { ServerTask } from "../../api/documents.ts";
import { deploymentOfTaskQuery } from "../../api/deployments.ts";
import { processQuery } from "../../api/processes.ts";
import { firstErrorQuery } from "../../api/tasks.ts";
import type { LogNode } from "../../api/tasks.ts";
import { Button, ButtonLink } from "../../design/button.tsx";
import { joined } from "../../design/class-names.ts";
import { Notice } from "../../design/notice.tsx";
import { plainText } from "../../log/ansi.ts";
import css from "./task-page.module.css";

/** What does not fit on two lines belongs into the log below. */
const charactersShown = 300;

interface FailureCardProps {
  space: string;
  task: ServerTask;
  nodes: readonly LogNode[];
  onGo(line: number): void;
}

export function FailureCard({ space, task, nodes, onGo }: FailureCardProps) {
  const { data } = useQuery(firstErrorQuery(space, task.Id));
  const { data: deployment } = useQuery(deploymentOfTaskQuery(space, task));
  const step = failedStep(task.Id, nodes, data?.lines.find(({ Number }) => Number === data.line)?.BlockId);
  return (
    <section aria-label="Why it failed">
      <Notice
        kind={task.State === "Canceled" ? "warning" : "error"}
        actions={
          <>
            {data && <Button onPress={() => onGo(data.line)}>Go to line {data.line}</Button>}
            {deployment !== undefined && step !== undefined && <EditStep space={space} project={deployment.ProjectId} step={step} />}
          </>
        }
      >
        <strong>{task.ErrorMessage === null || task.ErrorMessage === "" ? `The task ended as ${task.State}.` : task.ErrorMessage}</strong>
        {data && (
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
    </section>
  );
}

/** Where the step can be mended. The project's steps may have changed since: what is not there any more leads to all of them. */
function EditStep({ space, project, step }: { space: string; project: string; step: string }) {
  const { data: process } = useQuery(processQuery(space, project));
  if (process === undefined) return null;
  const found = process.Steps.find((one) => one.Name === step);
  return (
    <ButtonLink
      href={{
        to: "/app/$space/projects/$project/process",
        params: { space, project },
        search: found === undefined ? {} : { step: found.Id },
      }}
    >
      {found === undefined ? "Edit the process" : `Edit step ${step}`}
    </ButtonLink>
  );
}

/** The name of the step in which the error came, or else of the first that failed. */
function failedStep(task: string, nodes: readonly LogNode[], block: string | undefined): string | undefined {
  const steps = nodes.length === 1 ? nodes[0]!.Children : nodes;
  const holds = (node: LogNode): boolean => node.Id.slice(task.length + 1) === block || node.Children.some(holds);
  const found = steps.find(holds) ?? steps.find(({ Status }) => Status === "Failed");
  return found?.Name.replace(/^Step \d+: /, "");
}
