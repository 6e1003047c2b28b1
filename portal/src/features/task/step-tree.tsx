// The steps of a task and the machines they ran on, each with state and duration; choosing one goes to its first line in the log.

import { useMutation } from "@tanstack/react-query";
import { Button } from "react-aria-components";
import { searchLog } from "../../api/task-log.ts";
import type { LogNode } from "../../api/tasks.ts";
import { StateIcon } from "../../design/state-label.tsx";
import type { ShownState } from "../../design/state-label.tsx";
import { durationText } from "../../design/time-text.tsx";
import css from "./task-page.module.css";

const states: Readonly<Record<LogNode["Status"], ShownState>> = {
  Pending: "Queued",
  Running: "Executing",
  Success: "Success",
  SuccessWithWarning: "SuccessWithWarnings",
  Failed: "Failed",
  Skipped: "None",
  Canceled: "Canceled",
};

interface StepTreeProps {
  space: string;
  task: string;
  nodes: readonly LogNode[];
  onGo(line: number): void;
}

export function StepTree({ space, task, nodes, onGo }: StepTreeProps) {
  const find = useMutation({
    // A step without lines of its own is found by its first machine's.
    mutationFn: async (node: LogNode) => {
      for (const one of [node, ...node.Children]) {
        const { Lines } = await searchLog(space, task, { block: one.Id.slice(task.length + 1), take: 1 });
        if (Lines[0] !== undefined) return Lines[0].Number;
      }
      return undefined;
    },
    onSuccess: (line) => line !== undefined && onGo(line),
  });
  // The outermost node is the task itself, which the page's heading names.
  const steps = nodes.length === 1 ? nodes[0]!.Children : nodes;
  return (
    <nav className={css["tree"]} aria-label="Steps">
      <h2>Steps</h2>
      {steps.length === 0 ? <p className="muted">No step has begun.</p> : <Nodes nodes={steps} onChoose={(node) => find.mutate(node)} />}
    </nav>
  );
}

function Nodes({ nodes, onChoose }: { nodes: readonly LogNode[]; onChoose(node: LogNode): void }) {
  return (
    <ul className={css["nodes"]}>
      {nodes.map((node) => (
        <li key={node.Id}>
          <Button className={css["node"]!} onPress={() => onChoose(node)}>
            <StateIcon state={states[node.Status] ?? "None"} />
            <span className={css["nodeName"]}>{node.Name}</span>
            {node.Started !== null && node.Ended !== null && (
              <span className="muted small tabular">{durationText(Date.parse(node.Ended) - Date.parse(node.Started))}</span>
            )}
          </Button>
          {node.Status === "Running" && node.ProgressMessage !== "" && <p className={css["progress"]}>{node.ProgressMessage}</p>}
          {node.Children.length > 0 && <Nodes nodes={node.Children} onChoose={onChoose} />}
        </li>
      ))}
    </ul>
  );
}
