// Draining a node: what it means first, then the wait until nothing runs on it, which can be left or taken back at any time.

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { ServerNodeSummary } from "../../api/documents.ts";
import { nodesQuery, saveNode } from "../../api/server-nodes.ts";
import { Button } from "../../design/button.tsx";
import { Dialog } from "../../design/dialog.tsx";
import { TextField } from "../../design/field.tsx";
import { Notice } from "../../design/notice.tsx";
import { ErrorPanel } from "../../design/view-states.tsx";
import { placesOf } from "./node-state.ts";

interface DrainDialogProps {
  node: ServerNodeSummary;
  nodes: readonly ServerNodeSummary[];
  isOpen: boolean;
  onLeave(): void;
}

const tasks = (count: number): string => (count === 1 ? "1 task" : `${count} tasks`);

export function DrainDialog({ node, nodes, isOpen, onLeave }: DrainDialogProps) {
  const queries = useQueryClient();
  const [typed, setTyped] = useState("");
  const change = useMutation({
    mutationFn: (isDraining: boolean) => saveNode(node.Id, { IsInMaintenanceMode: isDraining }),
    onSettled: () => queries.invalidateQueries({ queryKey: nodesQuery.queryKey }),
  });
  function leave(): void {
    setTyped("");
    change.reset();
    onLeave();
  }
  const others = placesOf(nodes.filter((one) => one !== node));
  const all = placesOf(nodes);
  const isLast = others.taking === 0;
  const running = node.RunningTaskCount;

  if (node.IsInMaintenanceMode) {
    return (
      <Dialog
        title={`Draining ${node.Name}`}
        isOpen={isOpen}
        onLeave={leave}
        actions={
          <>
            <Button isPending={change.isPending} onPress={() => change.mutate(false)}>
              Cancel the draining
            </Button>
            <Button weight="primary" onPress={leave}>
              {running === 0 ? "Done" : "Wait in the background"}
            </Button>
          </>
        }
      >
        {running === 0 ? (
          <Notice kind="good" isSpoken>
            Nothing runs on {node.Name}: it is safe to stop.
          </Notice>
        ) : (
          <Notice isSpoken>
            {tasks(running)} {running === 1 ? "runs" : "run"} on it to the end; it takes no new ones.
          </Notice>
        )}
        {change.isError && <ErrorPanel title={`${node.Name} was not changed`} error={change.error} />}
      </Dialog>
    );
  }
  return (
    <Dialog
      title={`Drain ${node.Name}?`}
      isOpen={isOpen}
      onLeave={leave}
      actions={
        <>
          <Button onPress={leave}>Leave it running</Button>
          <Button
            weight="primary"
            isPending={change.isPending}
            isDisabled={isLast && typed.trim() !== node.Name}
            onPress={() => change.mutate(true)}
          >
            Drain
          </Button>
        </>
      }
    >
      <ul>
        <li>
          {running === 0 ? "Nothing runs on it now." : `${tasks(running)} ${running === 1 ? "goes" : "go"} on here to the end.`} It takes no
          new tasks.
        </li>
        <li>
          The other nodes have {others.places} of {all.places} places.
        </li>
        <li>Its web portal and API go on answering; a load balancer is told to send people elsewhere.</li>
      </ul>
      {isLast && (
        <>
          <Notice kind="warning">No other node takes tasks. Until one does, every new task waits.</Notice>
          <TextField label={`Type ${node.Name} to drain it all the same`} value={typed} onChange={setTyped} />
        </>
      )}
      {change.isError && <ErrorPanel title={`${node.Name} was not changed`} error={change.error} />}
    </Dialog>
  );
}
