// All tasks of a space, the newest first: what runs, ran or waits. Filters stand in the address; what has not ended can be canceled here.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import type { ServerTask, ServerTaskPage, TaskState } from "../../api/documents.ts";
import { projectsQuery } from "../../api/projects.ts";
import { cancelTask, taskStates, tasksPageQuery, tasksPerPage } from "../../api/tasks.ts";
import type { TaskFilter } from "../../api/tasks.ts";
import { Button } from "../../design/button.tsx";
import { Dialog } from "../../design/dialog.tsx";
import { Loaded } from "../../design/loaded.tsx";
import { PageHeader } from "../../design/page.tsx";
import { Select } from "../../design/select.tsx";
import { StateLabel, shownState, wordOf } from "../../design/state-label.tsx";
import { Table } from "../../design/table.tsx";
import { TimeText, durationText } from "../../design/time-text.tsx";
import { EmptyState, ErrorPanel, Skeleton } from "../../design/view-states.tsx";
import css from "./tasks-page.module.css";

const route = getRouteApi("/signed-in/app/$space/tasks");
const anything = "";

export function TasksPage() {
  const { space } = route.useParams();
  const filter = route.useSearch();
  const navigate = route.useNavigate();
  const query = useQuery(tasksPageQuery(space, filter));
  const isNarrowed = filter.state !== undefined || filter.project !== undefined;
  return (
    <>
      <PageHeader title="Tasks" />
      <Loaded query={query} what="The tasks" skeleton={<Skeleton height="20rem" />}>
        {(tasks) =>
          tasks.TotalResults === 0 && !isNarrowed ? (
            <EmptyState title="No tasks yet">Each deployment and each check of health is a task, with its log.</EmptyState>
          ) : (
            <>
              <Filters space={space} filter={filter} />
              {tasks.Items.length === 0 ? (
                <EmptyState
                  title="No task fits the filters"
                  action={<Button onPress={() => void navigate({ search: {} })}>Clear filters</Button>}
                />
              ) : (
                <List space={space} filter={filter} tasks={tasks} />
              )}
            </>
          )
        }
      </Loaded>
    </>
  );
}

function Filters({ space, filter }: { space: string; filter: TaskFilter }) {
  const navigate = route.useNavigate();
  const { data: projects = [] } = useQuery(projectsQuery(space));
  /** Another filter begins at its first page. */
  function change(next: { state?: TaskState | ""; project?: string }): void {
    const { state = filter.state ?? "", project = filter.project ?? "" } = next;
    void navigate({ search: { ...(state === "" ? {} : { state }), ...(project === "" ? {} : { project }) }, replace: true });
  }
  return (
    <div className={css["tools"]} role="group" aria-label="Filters">
      <Select<TaskState | "">
        label="State"
        value={filter.state ?? anything}
        options={[{ id: anything, name: "All" }, ...taskStates.map((id) => ({ id, name: wordOf(id) }))]}
        onChange={(state) => change({ state })}
      />
      <Select
        label="Project"
        value={filter.project ?? anything}
        options={[{ id: anything, name: "All" }, ...projects.map(({ Id, Name }) => ({ id: Id, name: Name }))]}
        onChange={(project) => change({ project })}
      />
    </div>
  );
}

function List({ space, filter, tasks }: { space: string; filter: TaskFilter; tasks: ServerTaskPage }) {
  const page = filter.page ?? 1;
  const pages = Math.max(1, Math.ceil(tasks.TotalResults / tasksPerPage));
  const { page: _page, ...rest } = filter;
  const toPage = (wanted: number): TaskFilter => ({ ...rest, ...(wanted > 1 ? { page: wanted } : {}) });
  return (
    <>
      <Table label="Tasks" columns={["Task", "State", "Queued", "Took", "Cancel"]}>
        {tasks.Items.map((task) => (
          <tr key={task.Id}>
            <th scope="row" className={css["task"]}>
              <Link to="/app/$space/tasks/$task" params={{ space, task: task.Id }}>
                {task.Description}
              </Link>
              <div className="muted small">{task.Id}</div>
            </th>
            <td>
              <StateLabel state={shownState(task)} isShort />
            </td>
            <td>
              <TimeText at={task.QueueTime} />
            </td>
            <td className="tabular">
              {task.StartTime !== null &&
                task.CompletedTime !== null &&
                durationText(Date.parse(task.CompletedTime) - Date.parse(task.StartTime))}
            </td>
            <td>{!task.IsCompleted && <Cancel space={space} task={task} />}</td>
          </tr>
        ))}
      </Table>
      <nav className={css["pages"]} aria-label="Pages">
        <span className="muted tabular" role="status">
          {tasks.TotalResults === 1 ? "1 task" : `${tasks.TotalResults} tasks`}
          {pages > 1 && `, page ${page} of ${pages}`}
        </span>
        {page > 1 && (
          <Link to="/app/$space/tasks" params={{ space }} search={toPage(page - 1)}>
            Previous page
          </Link>
        )}
        {page < pages && (
          <Link to="/app/$space/tasks" params={{ space }} search={toPage(page + 1)}>
            Next page
          </Link>
        )}
      </nav>
    </>
  );
}

function Cancel({ space, task }: { space: string; task: ServerTask }) {
  const queries = useQueryClient();
  const [isAsking, setAsking] = useState(false);
  const cancel = useMutation({
    mutationFn: () => cancelTask(space, task.Id),
    onSuccess: async () => {
      setAsking(false);
      await queries.invalidateQueries({ queryKey: ["tasks", space] });
    },
  });
  if (task.State === "Cancelling") return null;
  return (
    <>
      <Button weight="quiet" aria-label={`Cancel … ${task.Id}`} onPress={() => setAsking(true)}>
        Cancel …
      </Button>
      <Dialog
        title="Cancel this task?"
        isOpen={isAsking}
        isAlert
        onLeave={() => setAsking(false)}
        actions={
          <>
            <Button onPress={() => setAsking(false)}>Let it go on</Button>
            <Button weight="danger" isPending={cancel.isPending} onPress={() => cancel.mutate()}>
              Cancel the task
            </Button>
          </>
        }
      >
        <p>
          <strong>{task.Description}</strong>: what runs on machines is told to end, and nothing further is begun. What has been done
          already stays done.
        </p>
        {cancel.isError && <ErrorPanel title="The task was not canceled" error={cancel.error} />}
      </Dialog>
    </>
  );
}
