// The nodes of the cluster, and the tasks that wait for one of them with the reason. Asked every few seconds, since what nodes report is no
// change by anybody.

import { useQuery } from "@tanstack/react-query";
import { Link, getRouteApi } from "@tanstack/react-router";
import type { ServerTask } from "../../api/documents.ts";
import { nodesQuery, queuedTasksQuery, whyQueuedQuery } from "../../api/server-nodes.ts";
import { Loaded } from "../../design/loaded.tsx";
import { PageHeader, Panel } from "../../design/page.tsx";
import { Table } from "../../design/table.tsx";
import { TimeText } from "../../design/time-text.tsx";
import { EmptyState, Skeleton } from "../../design/view-states.tsx";
import css from "./cluster.module.css";
import { NodeCard } from "./node-card.tsx";
import { placesOf } from "./node-state.ts";

const route = getRouteApi("/signed-in/app/$space/cluster");

export function ClusterPage() {
  const { space } = route.useParams();
  const query = useQuery(nodesQuery);
  return (
    <div className={css["page"]}>
      <PageHeader title="Cluster" within={["Administration"]} />
      <Loaded query={query} what="The nodes" skeleton={<Skeleton height="16rem" />}>
        {({ Nodes: nodes }) =>
          nodes.length === 0 ? (
            <EmptyState title="No node is registered">A node registers itself as it starts.</EmptyState>
          ) : (
            <>
              <p className="muted tabular">{summaryOf(nodes)}</p>
              <ul className={css["nodes"]}>
                {nodes.map((node) => (
                  <li key={node.Id}>
                    <NodeCard space={space} node={node} nodes={nodes} />
                  </li>
                ))}
              </ul>
            </>
          )
        }
      </Loaded>
      {query.data !== undefined && <WaitingTasks space={space} />}
    </div>
  );
}

function summaryOf(nodes: Parameters<typeof placesOf>[0]): string {
  const { taking, places, running } = placesOf(nodes);
  const of = nodes.length === 1 ? "The only node" : `${taking} of ${nodes.length} nodes`;
  const take = nodes.length === 1 ? (taking === 1 ? "takes tasks" : "takes no tasks") : taking === 1 ? "takes tasks" : "take tasks";
  return `${of} ${take}; ${running} running, ${places} ${places === 1 ? "place" : "places"}.`;
}

function WaitingTasks({ space }: { space: string }) {
  const query = useQuery(queuedTasksQuery);
  return (
    <Panel title="Tasks that wait">
      <Loaded query={query} what="The tasks that wait" skeleton={<Skeleton height="4rem" />}>
        {(tasks) =>
          tasks.Items.length === 0 ? (
            <p className="muted">None: every task has a node.</p>
          ) : (
            <>
              <Table label="Tasks that wait" columns={["Task", "Why it waits"]}>
                {tasks.Items.map((task) => (
                  <WaitingTask key={task.Id} space={space} task={task} />
                ))}
              </Table>
              {tasks.TotalResults > tasks.Items.length && (
                <p className="muted tabular">
                  {tasks.Items.length} of {tasks.TotalResults} are shown.
                </p>
              )}
            </>
          )
        }
      </Loaded>
    </Panel>
  );
}

function WaitingTask({ space, task }: { space: string; task: ServerTask }) {
  const { data, isError } = useQuery(whyQueuedQuery(task.Id));
  return (
    <tr>
      <th scope="row" className={css["task"]}>
        <Link to="/app/$space/tasks/$task" params={{ space: task.SpaceId ?? space, task: task.Id }}>
          {task.Description}
        </Link>
        <div className="muted small">
          since <TimeText at={task.QueueTime} />
        </div>
      </th>
      <td className={css["why"]}>
        {data?.Reasons.map((reason) => (
          <p key={reason.Message}>{reason.Message}</p>
        ))}
        {data === undefined && (isError ? "Its reason could not be read." : "…")}
      </td>
    </tr>
  );
}
