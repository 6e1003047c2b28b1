// One task: what it does, how it stands, why it waits, its steps, and its log.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, getRouteApi } from "@tanstack/react-router";
import { cancelTask, taskDetailsQuery, taskWaitingQuery } from "../../api/tasks.ts";
import type { TaskDetails } from "../../api/tasks.ts";
import { Button } from "../../design/button.tsx";
import { Loaded } from "../../design/loaded.tsx";
import { Notice } from "../../design/notice.tsx";
import { PageHeader } from "../../design/page.tsx";
import { StateLabel, shownState } from "../../design/state-label.tsx";
import { TimeText, durationText } from "../../design/time-text.tsx";
import { ErrorPanel } from "../../design/view-states.tsx";
import css from "./task-page.module.css";

const route = getRouteApi("/signed-in/app/$space/tasks/$task");

export function TaskPage() {
  const { space, task } = route.useParams();
  const query = useQuery(taskDetailsQuery(space, task));
  return (
    <Loaded query={query} what="The task">
      {(details) => <TaskView space={space} details={details} />}
    </Loaded>
  );
}

function TaskView({ space, details: { Task: task } }: { space: string; details: TaskDetails }) {
  const queries = useQueryClient();
  const cancel = useMutation({
    mutationFn: () => cancelTask(space, task.Id),
    onSuccess: () => queries.invalidateQueries({ queryKey: taskDetailsQuery(space, task.Id).queryKey }),
  });
  return (
    <>
      <PageHeader
        title={task.Description}
        within={["Tasks"]}
        above={
          <Link to="/app/$space" params={{ space }}>
            Dashboard
          </Link>
        }
        beside={
          <div className={css["facts"]}>
            <StateLabel state={shownState(task)} />
            {task.StartTime !== null && (
              <span>
                started <TimeText at={task.StartTime} />
              </span>
            )}
            {task.StartTime !== null && task.CompletedTime !== null && (
              <span>took {durationText(Date.parse(task.CompletedTime) - Date.parse(task.StartTime))}</span>
            )}
            <span className="muted">{task.Id}</span>
          </div>
        }
        actions={
          !task.IsCompleted && (
            <Button weight="danger" onPress={() => cancel.mutate()} isDisabled={task.State === "Cancelling"} isPending={cancel.isPending}>
              Cancel
            </Button>
          )
        }
      />
      {cancel.isError && <ErrorPanel title="The task was not canceled" error={cancel.error} />}
      {task.ErrorMessage !== null && task.ErrorMessage !== "" && <Notice kind="error">{task.ErrorMessage}</Notice>}
      {!task.IsCompleted && <WhyWaiting space={space} task={task.Id} />}
    </>
  );
}

function WhyWaiting({ space, task }: { space: string; task: string }) {
  const { data } = useQuery(taskWaitingQuery(space, task));
  if (data === undefined || !data.IsWaiting || data.Reasons.length === 0) return null;
  return (
    <Notice>
      <strong>Why it waits</strong>
      <ul>
        {data.Reasons.map((reason) => (
          <li key={reason.Message}>{reason.Message}</li>
        ))}
      </ul>
    </Notice>
  );
}
