// A line that adds a target, and how far the machine has come with it: each stage as it happens, and what to look at when one does not come.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Circle, CircleCheck, CircleDot, CircleX } from "lucide-react";
import type { InstallToken, NewInstallToken } from "../../api/documents.ts";
import { installTokenQuery, installTokensQuery, isOpen, revokeInstallToken } from "../../api/install-tokens.ts";
import { ButtonLink } from "../../design/button.tsx";
import { joined } from "../../design/class-names.ts";
import { ConfirmButton } from "../../design/confirm-button.tsx";
import { CopyLine } from "../../design/copy-line.tsx";
import { Loaded } from "../../design/loaded.tsx";
import { Notice } from "../../design/notice.tsx";
import { Panel } from "../../design/page.tsx";
import { MomentText, TimeText } from "../../design/time-text.tsx";
import { Skeleton } from "../../design/view-states.tsx";
import css from "./targets.module.css";

interface InstallProgressProps {
  space: string;
  token: string;
  /** Undefined on a page that was opened later: the server tells the line once. */
  lines: Pick<NewInstallToken, "ShellLine" | "RegisterWithLine"> | undefined;
}

export function InstallProgress({ space, token, lines }: InstallProgressProps) {
  const query = useQuery(installTokenQuery(space, token));
  return (
    <Loaded query={query} what="The line" skeleton={<Skeleton height="20rem" />}>
      {(found) => (
        <>
          {isUsable(found) && (
            <Panel title="Paste this line into a shell of the machine">
              {lines === undefined ? (
                <Notice>The line was shown once, to whoever made it. If it is lost, revoke it and make another one.</Notice>
              ) : (
                <div className={css["lines"]}>
                  <CopyLine label="On a Linux machine" text={lines.ShellLine} />
                  <CopyLine label="Or where an agent is installed already, with an API key filled in" text={lines.RegisterWithLine} />
                  <p className="muted small">
                    Whoever has the first line can add one machine until <MomentText at={found.Expires} />. It is not shown again.
                  </p>
                </div>
              )}
            </Panel>
          )}
          <Progress space={space} token={found} />
        </>
      )}
    </Loaded>
  );
}

/** Not spent, late or revoked. */
function isUsable({ State, MachineId }: InstallToken): boolean {
  return MachineId === null && State !== "Expired" && State !== "Revoked";
}

const milestones = [
  { state: "Started", name: "The machine runs the line" },
  { state: "Downloaded", name: "The agent is downloaded" },
  { state: "Installed", name: "The agent is installed" },
  { state: "Registered", name: "The machine is registered" },
  { state: "Healthy", name: "Its first health check passes" },
] as const;

function Progress({ space, token }: { space: string; token: InstallToken }) {
  const reached = new Map(token.Stages.map((one) => [one.Stage, one]));
  // A stage that was not told was passed all the same when a later one was.
  const passed = milestones.findLastIndex(({ state }) => reached.has(state));
  const hasFailed = token.State === "Failed" || token.State === "Unhealthy";
  const isOver = token.State === "Expired" || token.State === "Revoked";
  return (
    <Panel title="How far it is" actions={isUsable(token) ? <Revoke space={space} token={token} /> : undefined}>
      <div className={css["form"]}>
        <ol className={css["stages"]}>
          {milestones.map(({ state, name }, index) => {
            const isDone = index <= passed;
            const isNow = index === passed + 1 && !isOver;
            const Shape = isDone ? CircleCheck : isNow ? (hasFailed ? CircleX : CircleDot) : Circle;
            const at = reached.get(state)?.OccurredAt;
            return (
              <li
                key={state}
                data-stage={state}
                data-done={isDone || undefined}
                className={joined(css["stage"], css[isDone ? "done" : isNow ? (hasFailed ? "wrong" : "now") : "ahead"])}
              >
                <Shape size={18} aria-hidden />
                <span>
                  {name}
                  <span className="visually-hidden">{isDone ? ": done" : isNow ? (hasFailed ? ": failed" : ": awaited") : ": later"}</span>
                </span>
                <span className="muted small">{isDone && at !== undefined && <TimeText at={at} />}</span>
              </li>
            );
          })}
        </ol>
        <Notice kind={token.State === "Healthy" ? "good" : hasFailed ? "error" : isOver ? "warning" : "plain"} isSpoken>
          {token.Message}
          {token.WhatToCheck !== null && <p>{token.WhatToCheck}</p>}
        </Notice>
        {token.MachineId !== null && (
          <p className="muted">The line is used up: it is good for one machine. Another machine needs a line of its own.</p>
        )}
        {token.State === "Waiting" && (
          <details>
            <summary>Nothing happens after the line was pasted?</summary>
            <p className="muted">
              The machine has to reach the address that the line begins with: try it there with curl. Behind a proxy, set https_proxy first.
              The line says on the machine itself what went wrong before it could tell this page.
            </p>
          </details>
        )}
        <div className={css["row"]}>
          {token.MachineId !== null && (
            <ButtonLink
              weight="primary"
              href={{ to: "/app/$space/infrastructure/targets/$machine", params: { space, machine: token.MachineId } }}
            >
              Open the target
            </ButtonLink>
          )}
          <ButtonLink href={{ to: "/app/$space/infrastructure/targets/new", params: { space } }}>
            {isOpen(token) ? "Make another line" : "Make a new line"}
          </ButtonLink>
        </div>
      </div>
    </Panel>
  );
}

function Revoke({ space, token }: { space: string; token: InstallToken }) {
  const queries = useQueryClient();
  const revoke = useMutation({
    mutationFn: () => revokeInstallToken(space, token.Id),
    onSettled: async () => {
      await queries.invalidateQueries({ queryKey: installTokenQuery(space, token.Id).queryKey });
      await queries.invalidateQueries({ queryKey: installTokensQuery(space).queryKey });
    },
  });
  return (
    <ConfirmButton text="Revoke …" question="Revoke this line?" confirm="Revoke the line" failure="The line was not revoked" work={revoke}>
      Nobody can add a machine with it any more. A machine that is in the middle of it stops at its next step.
    </ConfirmButton>
  );
}
