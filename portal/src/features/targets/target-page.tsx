// One target: its settings, how it is reached and how it is, a check of its health now, and what was done with it last.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, getRouteApi, useRouter } from "@tanstack/react-router";
import { useState } from "react";
import type { Machine, MachineConnection } from "../../api/documents.ts";
import { checkHealth, deleteMachine, machineConnectionQuery, machineQuery, machineTasksQuery, saveMachine } from "../../api/machines.ts";
import { isolated } from "../../design/isolated.ts";
import { Button } from "../../design/button.tsx";
import { ConfirmButton } from "../../design/confirm-button.tsx";
import { Checkbox, TextField } from "../../design/field.tsx";
import { Loaded } from "../../design/loaded.tsx";
import { Notice } from "../../design/notice.tsx";
import { PageColumn, PageHeader, Panel } from "../../design/page.tsx";
import { StateLabel, shownState } from "../../design/state-label.tsx";
import { TimeText } from "../../design/time-text.tsx";
import { ErrorPanel, Skeleton } from "../../design/view-states.tsx";
import { HealthLabel } from "./health-label.tsx";
import { MembershipFields, allRoles } from "./membership-fields.tsx";
import css from "./targets.module.css";

const route = getRouteApi("/signed-in/app/$space/infrastructure/targets/$machine");

export function TargetPage() {
  const { space, machine } = route.useParams();
  const query = useQuery(machineQuery(space, machine));
  return (
    <Loaded query={query} what="The target" skeleton={<Skeleton height="20rem" />}>
      {(found) => <TargetView key={found.Id} space={space} machine={found} />}
    </Loaded>
  );
}

function TargetView({ space, machine }: { space: string; machine: Machine }) {
  const queries = useQueryClient();
  const check = useMutation({
    mutationFn: () => checkHealth(space, machine),
    onSuccess: () => queries.invalidateQueries({ queryKey: machineTasksQuery(space, machine.Id).queryKey }),
  });
  return (
    <PageColumn isWide>
      <PageHeader
        title={machine.Name}
        within={["Targets", "Infrastructure"]}
        above={
          <Link to="/app/$space/infrastructure/targets" params={{ space }}>
            Targets
          </Link>
        }
        beside={
          <div className={css["row"]} role="status">
            <HealthLabel machine={machine} />
            {machine.StatusSummary !== "" && <span className="muted">{machine.StatusSummary}</span>}
          </div>
        }
        actions={
          <>
            <Button isPending={check.isPending} onPress={() => check.mutate()} isDisabled={machine.Endpoint.CommunicationStyle === "None"}>
              Check health now
            </Button>
            <Delete space={space} machine={machine} />
          </>
        }
      />
      {check.isError && <ErrorPanel title="The check was not begun" error={check.error} />}
      {check.isSuccess && (
        <Notice isSpoken>
          The check is asked for.{" "}
          <Link to="/app/$space/tasks/$task" params={{ space, task: check.data.Id }}>
            Follow it in {check.data.Id}
          </Link>
        </Notice>
      )}
      <Connection space={space} machine={machine} />
      <Settings space={space} machine={machine} />
      <RecentTasks space={space} machine={machine} />
    </PageColumn>
  );
}

function Connection({ space, machine }: { space: string; machine: Machine }) {
  const query = useQuery(machineConnectionQuery(space, machine.Id));
  return (
    <Panel title="Connection">
      <Loaded query={query} what="The connection" skeleton={<Skeleton height="6rem" />}>
        {(connection) => <ConnectionFacts machine={machine} connection={connection} />}
      </Loaded>
    </Panel>
  );
}

function ConnectionFacts({ machine, connection }: { machine: Machine; connection: MachineConnection }) {
  const { CommunicationStyle: style, Uri, Thumbprint } = machine.Endpoint;
  return (
    <dl className={css["facts"]}>
      <dt>Agent</dt>
      <dd>
        {style === "None" ? "None" : style === "TentacleActive" ? "Polls: it calls the server" : "Listens: the server calls it"}
        {connection.CurrentTentacleVersion !== null && `, version ${connection.CurrentTentacleVersion}`}
      </dd>
      {typeof Uri === "string" && (
        <>
          <dt>Address</dt>
          <dd>
            <code>{Uri}</code>
          </dd>
        </>
      )}
      {typeof Thumbprint === "string" && (
        <>
          <dt>Thumbprint</dt>
          <dd>
            <code>{Thumbprint}</code>
          </dd>
        </>
      )}
      {style === "TentacleActive" && (
        <>
          <dt>Connected to</dt>
          <dd>
            {connection.ConnectedNodes.length === 0 ? (
              "No node now. Does the agent run, and does its machine reach the port for agents of a node?"
            ) : (
              <ul>
                {connection.ConnectedNodes.map((node) => (
                  <li key={node.NodeName}>
                    {node.NodeName}, {node.Connections === 1 ? "1 connection" : `${node.Connections} connections`}, since{" "}
                    <TimeText at={node.Since} />
                  </li>
                ))}
              </ul>
            )}
          </dd>
        </>
      )}
      <dt>Last check</dt>
      <dd>{machine.HealthCheckedAt ? <TimeText at={machine.HealthCheckedAt} /> : "Never"}</dd>
      {machine.OperatingSystem !== "Unknown" && (
        <>
          <dt>System</dt>
          <dd>
            {machine.OperatingSystem}
            {machine.ShellName !== "Unknown" && `, ${machine.ShellName} ${machine.ShellVersion === "Unknown" ? "" : machine.ShellVersion}`}
          </dd>
        </>
      )}
    </dl>
  );
}

interface Draft {
  Name?: string;
  IsDisabled?: boolean;
  EnvironmentIds?: readonly string[];
  Roles?: readonly string[];
  newRoles?: string;
}

function Settings({ space, machine }: { space: string; machine: Machine }) {
  const queries = useQueryClient();
  /** Only what was changed here: the rest follows what others save meanwhile. */
  const [draft, setDraft] = useState<Draft>({});
  const change = (next: Draft): void => setDraft((before) => ({ ...before, ...next }));
  const isChanged = Object.keys(draft).length > 0;
  const save = useMutation({
    mutationFn: async (sent: Draft) => {
      const { newRoles = "", ...members } = sent;
      // What others changed in other members a moment ago stays.
      const current = await queries.fetchQuery({ ...machineQuery(space, machine.Id), staleTime: 0 });
      const wanted = { ...current, ...members, Roles: allRoles({ roles: members.Roles ?? current.Roles, newRoles }) };
      return saveMachine(space, machine.Id, {
        Name: wanted.Name,
        IsDisabled: wanted.IsDisabled,
        EnvironmentIds: [...wanted.EnvironmentIds],
        Roles: wanted.Roles,
        MachinePolicyId: wanted.MachinePolicyId,
        TenantIds: wanted.TenantIds,
        TenantTags: wanted.TenantTags,
        TenantedDeploymentParticipation: wanted.TenantedDeploymentParticipation,
      });
    },
    onSuccess: (saved, sent) => {
      queries.setQueryData(machineQuery(space, machine.Id).queryKey, saved);
      void queries.invalidateQueries({ queryKey: ["machines", space] });
      void queries.invalidateQueries({ queryKey: ["machine-roles", space] });
      // What was typed while it was saved is still to be saved.
      setDraft((now) => Object.fromEntries(Object.entries(now).filter(([name, value]) => sent[name as keyof Draft] !== value)));
    },
  });
  return (
    <Panel title="Settings">
      <form
        className={css["form"]}
        onSubmit={(event) => {
          event.preventDefault();
          if (isChanged && !save.isPending) save.mutate(draft);
        }}
      >
        <TextField label="Name" value={draft.Name ?? machine.Name} onChange={(Name) => change({ Name })} />
        <MembershipFields
          space={space}
          value={{
            environments: draft.EnvironmentIds ?? machine.EnvironmentIds,
            roles: draft.Roles ?? machine.Roles,
            newRoles: draft.newRoles ?? "",
          }}
          onChange={(next) =>
            change({
              ...(next.environments === (draft.EnvironmentIds ?? machine.EnvironmentIds) ? {} : { EnvironmentIds: next.environments }),
              ...(next.roles === (draft.Roles ?? machine.Roles) ? {} : { Roles: next.roles }),
              ...(next.newRoles === (draft.newRoles ?? "") ? {} : { newRoles: next.newRoles }),
            })
          }
        />
        <Checkbox isSelected={draft.IsDisabled ?? machine.IsDisabled} onChange={(IsDisabled) => change({ IsDisabled })}>
          Disabled: nothing is deployed to it
        </Checkbox>
        {save.isError && <ErrorPanel title="The settings were not saved" error={save.error} />}
        <div className={css["row"]}>
          <Button type="submit" weight="primary" isDisabled={!isChanged} isPending={save.isPending}>
            Save
          </Button>
          {isChanged && (
            <Button
              onPress={() => {
                setDraft({});
                save.reset();
              }}
            >
              Discard changes
            </Button>
          )}
          <span role="status" className="muted">
            {isChanged ? "Not saved yet." : save.isSuccess ? "Saved." : ""}
          </span>
        </div>
      </form>
    </Panel>
  );
}

function RecentTasks({ space, machine }: { space: string; machine: Machine }) {
  const query = useQuery(machineTasksQuery(space, machine.Id));
  return (
    <Panel title="What was done last">
      <Loaded query={query} what="The tasks" skeleton={<Skeleton height="4rem" />}>
        {(tasks) =>
          tasks.Items.length === 0 ? (
            <p className="muted">Nothing yet.</p>
          ) : (
            <ul className={css["tasks"]}>
              {tasks.Items.map((task) => (
                <li key={task.Id} className={css["row"]}>
                  <StateLabel state={shownState(task)} />
                  <Link to="/app/$space/tasks/$task" params={{ space, task: task.Id }}>
                    {task.Description}
                  </Link>
                  <span className="muted small">
                    <TimeText at={task.CompletedTime ?? task.StartTime ?? task.QueueTime} />
                  </span>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </Panel>
  );
}

function Delete({ space, machine }: { space: string; machine: Machine }) {
  const router = useRouter();
  const queries = useQueryClient();
  const remove = useMutation({
    mutationFn: () => deleteMachine(space, machine.Id),
    onSuccess: async () => {
      void queries.invalidateQueries({ queryKey: ["machines", space] });
      await router.navigate({ to: "/app/$space/infrastructure/targets", params: { space }, replace: true });
    },
  });
  return (
    <ConfirmButton
      text="Delete …"
      question={`Delete ${isolated(machine.Name)}?`}
      confirm="Delete the target"
      failure="The target was not deleted"
      work={remove}
    >
      Nothing is deployed to it any more. What is installed on the machine stays, its agent too. To leave it out for a while, disable it
      instead.
    </ConfirmButton>
  );
}
