// One node: how it is, what it runs and how much it may, what it lacks, and what can be done with it.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CircleCheck, CirclePause, CirclePower, CircleX, LoaderCircle } from "lucide-react";
import { useState } from "react";
import type { ServerNodeBody, ServerNodeSummary } from "../../api/documents.ts";
import { deleteNode, nodeDetailsQuery, nodesQuery, saveNode } from "../../api/server-nodes.ts";
import { Button } from "../../design/button.tsx";
import { joined } from "../../design/class-names.ts";
import { ConfirmButton } from "../../design/confirm-button.tsx";
import { TextField } from "../../design/field.tsx";
import { Notice } from "../../design/notice.tsx";
import { Panel } from "../../design/page.tsx";
import { TimeText } from "../../design/time-text.tsx";
import { ErrorPanel } from "../../design/view-states.tsx";
import css from "./cluster.module.css";
import { DrainDialog } from "./drain-dialog.tsx";
import { stateOf } from "./node-state.ts";
import type { NodeState } from "./node-state.ts";

const shapes = {
  Running: CircleCheck,
  Draining: LoaderCircle,
  Drained: CirclePause,
  Impaired: CircleX,
  Closed: CirclePause,
  Offline: CirclePower,
};
const words: Readonly<Record<NodeState, string>> = {
  Running: "Running",
  Draining: "Draining",
  Drained: "Drained: safe to stop",
  Impaired: "Takes no tasks",
  Closed: "Takes no tasks: it may run 0",
  Offline: "Offline",
};
/** A node may run a thousand; the rest is a number. */
const tasksShown = 10;

interface NodeCardProps {
  space: string;
  node: ServerNodeSummary;
  nodes: readonly ServerNodeSummary[];
}

export function NodeCard({ space, node, nodes }: NodeCardProps) {
  const queries = useQueryClient();
  const [isDraining, setDraining] = useState(false);
  const state = stateOf(node);
  const Shape = shapes[state];
  const change = useMutation({
    mutationFn: (body: ServerNodeBody) => saveNode(node.Id, body),
    onSettled: () => queries.invalidateQueries({ queryKey: nodesQuery.queryKey }),
  });
  return (
    <Panel
      title={node.Name}
      actions={
        <div className={css["actions"]}>
          {node.IsInMaintenanceMode ? (
            <Button
              aria-label={`Take tasks again on ${node.Name}`}
              isPending={change.isPending}
              onPress={() => change.mutate({ IsInMaintenanceMode: false })}
            >
              Take tasks again
            </Button>
          ) : (
            !node.IsOffline && (
              <Button aria-label={`Drain ${node.Name} …`} onPress={() => setDraining(true)}>
                Drain …
              </Button>
            )
          )}
          {node.IsOffline && <Delete node={node} />}
        </div>
      }
    >
      <div className={css["card"]} data-node={node.Name} data-state={state}>
        <div className={css["facts"]}>
          <span className={joined(css["state"], css[state])} role="status">
            <Shape size={16} aria-hidden />
            {words[state]}
          </span>
          <span className="muted">
            {node.LastSeen === null ? (
              "never seen"
            ) : (
              <>
                seen <TimeText at={node.LastSeen} />
              </>
            )}
          </span>
        </div>
        {!node.IsOffline && node.Impairments.length > 0 && (
          <Notice kind="error">It cannot reach what it needs, and takes no task until that is back: {node.Impairments.join(", ")}.</Notice>
        )}
        <Load node={node} />
        <Cap node={node} />
        {node.RunningTaskCount > 0 && <RunningTasks space={space} node={node} />}
        {change.isError && <ErrorPanel title={`${node.Name} was not changed`} error={change.error} />}
      </div>
      <DrainDialog node={node} nodes={nodes} isOpen={isDraining} onLeave={() => setDraining(false)} />
    </Panel>
  );
}

function Load({ node: { Name, RunningTaskCount: running, MaxConcurrentTasks: cap } }: { node: ServerNodeSummary }) {
  return (
    <div className={css["load"]}>
      <span className="tabular">
        {running} of {cap} places used
      </span>
      <meter className={css["meter"]} min={0} max={Math.max(cap, 1)} value={Math.min(running, cap)} aria-label={`Tasks of ${Name}`} />
    </div>
  );
}

function Cap({ node }: { node: ServerNodeSummary }) {
  const queries = useQueryClient();
  /** Undefined: as the server has it. */
  const [text, setText] = useState<string>();
  const shown = text ?? String(node.MaxConcurrentTasks);
  const isNumber = /^\d{1,9}$/.test(shown.trim());
  const isChanged = isNumber && Number(shown) !== node.MaxConcurrentTasks;
  const save = useMutation({
    mutationFn: (cap: number) => saveNode(node.Id, { MaxConcurrentTasks: cap }),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: nodesQuery.queryKey });
      setText(undefined);
    },
  });
  return (
    <form
      className={css["cap"]}
      onSubmit={(event) => {
        event.preventDefault();
        if (isChanged && !save.isPending) save.mutate(Number(shown));
      }}
    >
      <div className={css["capRow"]}>
        <TextField
          label={`Tasks at a time on ${node.Name}`}
          value={shown}
          onChange={setText}
          inputMode="numeric"
          error={isNumber ? undefined : "A whole number."}
        />
        {isChanged && (
          <Button type="submit" isPending={save.isPending} aria-label={`Save the tasks at a time of ${node.Name}`}>
            Save
          </Button>
        )}
      </div>
      {save.isError && <ErrorPanel title="It was not changed" error={save.error} />}
    </form>
  );
}

function RunningTasks({ space, node }: { space: string; node: ServerNodeSummary }) {
  const { data, isError, error } = useQuery(nodeDetailsQuery(node.Id));
  if (data === undefined) return isError ? <ErrorPanel title="Its tasks could not be read" error={error} /> : null;
  const more = data.RunningTasks - tasksShown;
  return (
    <ul className={css["tasks"]} aria-label={`Tasks that run on ${node.Name}`}>
      {data.Tasks.slice(0, tasksShown).map((task) => (
        <li key={task.Id}>
          <Link to="/app/$space/tasks/$task" params={{ space: spaceOf(task.Links["Self"]) ?? space, task: task.Id }}>
            {task.Description}
          </Link>
        </li>
      ))}
      {more > 0 && <li className="muted">and {more} more</li>}
    </ul>
  );
}

/** Tasks of all spaces run on a node; their links say in which each is. */
function spaceOf(link: string | undefined): string | undefined {
  return /\/api\/(Spaces-\d+)\//.exec(link ?? "")?.[1];
}

function Delete({ node }: { node: ServerNodeSummary }) {
  const queries = useQueryClient();
  const remove = useMutation({
    mutationFn: () => deleteNode(node.Id),
    onSettled: () => queries.invalidateQueries({ queryKey: nodesQuery.queryKey }),
  });
  return (
    <ConfirmButton
      text="Delete …"
      label={`Delete ${node.Name} …`}
      question={`Delete node ${node.Name}?`}
      confirm="Delete the node"
      failure="The node was not deleted"
      work={remove}
    >
      Its record and its task cap go. Tasks that it ran are the other nodes&apos; already. If it starts again, it registers as new.
    </ConfirmButton>
  );
}
