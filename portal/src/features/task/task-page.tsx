// One task: what it does, how it stands, why it waits or failed, its steps, and its log, which opens where one wants to look.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, getRouteApi, useLocation, useRouter } from "@tanstack/react-router";
import { useCallback, useRef, useState } from "react";
import { deploymentOfTaskQuery } from "../../api/deployments.ts";
import type { Deployment, ServerTask } from "../../api/documents.ts";
import { findWayBack, progressionQuery } from "../../api/projects.ts";
import { nodeName } from "../../api/server-nodes.ts";
import { cancelTask, rerunTask, taskDetailsQuery, taskWaitingQuery } from "../../api/tasks.ts";
import type { TaskDetails } from "../../api/tasks.ts";
import { Button, ButtonLink } from "../../design/button.tsx";
import { Dialog } from "../../design/dialog.tsx";
import { Loaded } from "../../design/loaded.tsx";
import { Notice } from "../../design/notice.tsx";
import { PageHeader } from "../../design/page.tsx";
import { StateLabel, shownState } from "../../design/state-label.tsx";
import { MomentText, TimeText, durationText } from "../../design/time-text.tsx";
import { ErrorPanel, Skeleton } from "../../design/view-states.tsx";
import { LogViewer } from "../../log/log-viewer.tsx";
import type { LogViewerProps } from "../../log/log-viewer.tsx";
import { FailureCard } from "./failure-card.tsx";
import { StepTree } from "./step-tree.tsx";
import css from "./task-page.module.css";
import { progressText } from "./progress-text.ts";
import { linesHash, readLines } from "./task-search.ts";
import { WaitingQuestions } from "./waiting-questions.tsx";

const route = getRouteApi("/signed-in/app/$space/tasks/$task");

/** The log tells of each step; the tree is asked for at most this often. */
const treeMsMin = 1_000;

export function TaskPage() {
  const { space, task } = route.useParams();
  const query = useQuery(taskDetailsQuery(space, task));
  return (
    <Loaded query={query} what="The task" skeleton={<Skeleton height="calc(100dvh - 8rem)" />}>
      {(details) => <TaskView key={details.Task.Id} space={space} details={details} />}
    </Loaded>
  );
}

function TaskView({ space, details }: { space: string; details: TaskDetails }) {
  const { Task: task } = details;
  const queries = useQueryClient();
  const navigate = route.useNavigate();
  const { find = "" } = route.useSearch();
  const hash = useLocation({ select: (location) => location.hash });
  const [begin] = useState<LogViewerProps["begin"]>(
    () => readLines(hash) ?? (!task.IsCompleted ? "end" : task.FinishedSuccessfully ? "start" : "first-error"),
  );
  const [goTo, setGoTo] = useState<{ line: number; count: number }>();
  const goToLine = useCallback((line: number) => setGoTo((before) => ({ line, count: (before?.count ?? 0) + 1 })), []);

  const due = useRef<ReturnType<typeof setTimeout>>(undefined);
  const onProgress = useCallback(() => {
    due.current ??= setTimeout(() => {
      due.current = undefined;
      void queries.invalidateQueries({ queryKey: taskDetailsQuery(space, task.Id).queryKey });
    }, treeMsMin);
  }, [queries, space, task.Id]);

  const hasFailed = task.IsCompleted && !task.FinishedSuccessfully;
  return (
    <div className={css["page"]}>
      <TaskHeader space={space} details={details} />
      {!task.IsCompleted && <WaitingQuestions space={space} task={task.Id} />}
      {!task.IsCompleted && <WhyWaiting space={space} task={task} />}
      {hasFailed && <FailureCard space={space} task={task} nodes={details.ActivityLogs} onGo={goToLine} />}
      <div className={css["columns"]}>
        <StepTree space={space} task={task.Id} nodes={details.ActivityLogs} onGo={goToLine} />
        <LogViewer
          space={space}
          task={task.Id}
          begin={begin}
          goTo={goTo}
          onProgress={onProgress}
          onMark={(from, to) => void navigate({ search: true, hash: linesHash(from, to), hashScrollIntoView: false, resetScroll: false })}
          search={find}
          onSearch={(text) =>
            void navigate({
              search: text === "" ? {} : { find: text },
              hash: true,
              hashScrollIntoView: false,
              resetScroll: false,
              replace: true,
            })
          }
        />
      </div>
    </div>
  );
}

function TaskHeader({ space, details }: { space: string; details: TaskDetails }) {
  const { Task: task } = details;
  const queries = useQueryClient();
  const [isAsking, setAsking] = useState(false);
  const { data: deployment } = useQuery(deploymentOfTaskQuery(space, task));
  const cancel = useMutation({
    mutationFn: () => cancelTask(space, task.Id),
    onSettled: () => queries.invalidateQueries({ queryKey: taskDetailsQuery(space, task.Id).queryKey }),
  });
  const router = useRouter();
  const again = useMutation({
    mutationFn: () => rerunTask(space, task.Id),
    onSuccess: (next) => router.navigate({ to: "/app/$space/tasks/$task", params: { space, task: next.Id } }),
  });
  const isRunning = !task.IsCompleted && task.StartTime !== null;
  return (
    <>
      <PageHeader
        title={task.Description}
        within={["Tasks"]}
        above={
          <Link to="/app/$space/tasks" params={{ space }}>
            Tasks
          </Link>
        }
        beside={
          <div className={css["facts"]} role="status">
            <StateLabel state={shownState(task)} />
            {isRunning && <span className="tabular">{progressText(details)}</span>}
            {task.StartTime === null ? (
              <span>
                {Date.parse(task.QueueTime) > Date.now() ? "starts" : "queued"} <TimeText at={task.QueueTime} />
              </span>
            ) : (
              <span>
                started <TimeText at={task.StartTime} />
              </span>
            )}
            {task.StartTime !== null && task.CompletedTime !== null && (
              <span>took {durationText(Date.parse(task.CompletedTime) - Date.parse(task.StartTime))}</span>
            )}
            {deployment !== undefined && <span>by {deployment.DeployedBy}</span>}
            {task.ServerNode !== null && <span className="muted">on {nodeName(task.ServerNode)}</span>}
            <span className="muted">{task.Id}</span>
          </div>
        }
        actions={
          <>
            {!task.IsCompleted && (
              <Button weight="danger" onPress={() => setAsking(true)} isDisabled={task.State === "Cancelling"} isPending={cancel.isPending}>
                {task.State === "Cancelling" ? "Being canceled" : "Cancel"}
              </Button>
            )}
            {task.CanRerun && (
              <Button isPending={again.isPending} onPress={() => again.mutate()}>
                Run again
              </Button>
            )}
            {deployment !== undefined && task.IsCompleted && <RollBack space={space} deployment={deployment} />}
            {deployment !== undefined && (
              <ButtonLink href={{ to: "/app/$space/releases/$release", params: { space, release: deployment.ReleaseId } }}>
                Release
              </ButtonLink>
            )}
          </>
        }
      />
      {again.isError && <ErrorPanel title="The task was not started again" error={again.error} />}
      {cancel.isError && <ErrorPanel title="The task was not canceled" error={cancel.error} />}
      <Dialog
        title="Cancel this task?"
        isOpen={isAsking}
        isAlert
        onLeave={() => setAsking(false)}
        actions={
          <>
            <Button onPress={() => setAsking(false)}>Let it go on</Button>
            <Button
              weight="danger"
              onPress={() => {
                setAsking(false);
                cancel.mutate();
              }}
            >
              Cancel the task
            </Button>
          </>
        }
      >
        <p>What runs on machines is told to end, and nothing further is begun. What has been done already stays done.</p>
      </Dialog>
    </>
  );
}

/** The way back to the release that was there before. */
function RollBack({ space, deployment }: { space: string; deployment: Deployment }) {
  const { data: progression } = useQuery(progressionQuery(space, deployment.ProjectId));
  const before = progression && findWayBack(progression, deployment);
  if (before === undefined) return null;
  return (
    <ButtonLink
      href={{
        to: "/app/$space/releases/$release/deploy",
        params: { space, release: before.release.Id },
        search: { to: [deployment.EnvironmentId] },
      }}
    >
      {before.isOlder ? `Roll back to ${before.release.Version} …` : `Deploy ${before.release.Version} again …`}
    </ButtonLink>
  );
}

function WhyWaiting({ space, task }: { space: string; task: ServerTask }) {
  const { data } = useQuery(taskWaitingQuery(space, task.Id));
  if (data === undefined || !data.IsWaiting || data.Reasons.length === 0) return null;
  return (
    <Notice>
      <strong>Why it waits</strong>
      <ul className={css["reasons"]}>
        {data.Reasons.map((reason) => (
          <li key={reason.Message}>
            {reason.Kind === "Scheduled" ? (
              <>
                It starts <TimeText at={task.QueueTime} />, at <MomentText at={task.QueueTime} />
                {task.QueueTimeExpiry !== null && (
                  <>
                    , and times out if no node has started it by <MomentText at={task.QueueTimeExpiry} />
                  </>
                )}
                .
              </>
            ) : (
              reason.Message
            )}
          </li>
        ))}
      </ul>
    </Notice>
  );
}
