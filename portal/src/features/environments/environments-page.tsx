// The environments of a space in the order of the dashboard's columns: new ones, other names, another order.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { ArrowDown, ArrowUp } from "lucide-react";
import { useState } from "react";
import type { Environment } from "../../api/documents.ts";
import { createEnvironment, environmentsQuery, orderEnvironments, saveEnvironment } from "../../api/environments.ts";
import { Button } from "../../design/button.tsx";
import { Dialog } from "../../design/dialog.tsx";
import { Checkbox, TextField } from "../../design/field.tsx";
import { Loaded } from "../../design/loaded.tsx";
import { useNarrowed } from "../../design/narrowing.tsx";
import { PageHeader } from "../../design/page.tsx";
import { EmptyState, ErrorPanel, Skeleton } from "../../design/view-states.tsx";
import css from "./environments-page.module.css";

const route = getRouteApi("/signed-in/app/$space/infrastructure/environments");

/** Rows drawn at once. */
const drawnMax = 100;

export function EnvironmentsPage() {
  const { space } = route.useParams();
  const { new: isMaking } = route.useSearch();
  const navigate = route.useNavigate();
  const queries = useQueryClient();
  const { queryKey } = environmentsQuery(space);
  const query = useQuery(environmentsQuery(space));
  const [edited, setEdited] = useState<Environment>();
  const order = useMutation({
    mutationFn: (ids: readonly string[]) => orderEnvironments(space, ids),
    onSettled: () => queries.invalidateQueries({ queryKey }),
  });
  function move(environments: readonly Environment[], from: number, by: -1 | 1): void {
    const next = [...environments];
    next.splice(from + by, 0, ...next.splice(from, 1));
    order.mutate(next.map(({ Id }) => Id));
  }
  const button = (
    <Button weight="primary" onPress={() => void navigate({ search: { new: true } })}>
      New environment
    </Button>
  );
  return (
    <div className={css["page"]}>
      <PageHeader title="Environments" actions={query.data !== undefined && query.data.length > 0 && button} />
      {order.isError && <ErrorPanel title="The order was not changed" error={order.error} />}
      <Loaded query={query} what="The environments" skeleton={<Skeleton height="12rem" />}>
        {(environments) =>
          environments.length === 0 ? (
            <EmptyState title="No environments yet" action={button}>
              An environment is a group of machines that get a release together, such as Test and Production. Releases go through them in
              this order.
            </EmptyState>
          ) : (
            <List
              environments={environments}
              isMoving={order.isPending}
              onMove={(index, by) => move(environments, index, by)}
              onEdit={setEdited}
            />
          )
        }
      </Loaded>
      {isMaking === true && <EnvironmentDialog space={space} onLeave={() => void navigate({ search: {}, replace: true })} />}
      {edited !== undefined && <EnvironmentDialog space={space} environment={edited} onLeave={() => setEdited(undefined)} />}
    </div>
  );
}

interface ListProps {
  environments: readonly Environment[];
  isMoving: boolean;
  onMove(index: number, by: -1 | 1): void;
  onEdit(environment: Environment): void;
}

function List({ environments, isMoving, onMove, onEdit }: ListProps) {
  const { shown, field } = useNarrowed(environments, { label: "Find environments", max: drawnMax, textOf: ({ Name }) => Name });
  return (
    <>
      {field}
      <ol className={css["list"]}>
        {shown.map((environment) => {
          const index = environments.indexOf(environment);
          return (
            <li key={environment.Id} className={css["row"]}>
              <span className={css["what"]}>
                <strong>{environment.Name}</strong>
                {environment.Description !== "" && <span className="muted">{environment.Description}</span>}
                {environment.UseGuidedFailure && <span className="muted small">asks a person when a step fails</span>}
              </span>
              <span className={css["actions"]}>
                <Button
                  isIcon
                  aria-label={`Move ${environment.Name} up`}
                  isDisabled={index === 0}
                  isPending={isMoving}
                  onPress={() => onMove(index, -1)}
                >
                  <ArrowUp size={16} aria-hidden />
                </Button>
                <Button
                  isIcon
                  aria-label={`Move ${environment.Name} down`}
                  isDisabled={index === environments.length - 1}
                  isPending={isMoving}
                  onPress={() => onMove(index, 1)}
                >
                  <ArrowDown size={16} aria-hidden />
                </Button>
                <Button aria-label={`Edit ${environment.Name}`} onPress={() => onEdit(environment)}>
                  Edit
                </Button>
              </span>
            </li>
          );
        })}
      </ol>
    </>
  );
}

/** Without `environment` it makes a new one. */
function EnvironmentDialog({ space, environment, onLeave }: { space: string; environment?: Environment; onLeave(): void }) {
  const queries = useQueryClient();
  const [name, setName] = useState(environment?.Name ?? "");
  const [description, setDescription] = useState(environment?.Description ?? "");
  const [isGuided, setGuided] = useState(environment?.UseGuidedFailure ?? false);
  const save = useMutation({
    mutationFn: () => {
      const body = { Name: name.trim(), Description: description, UseGuidedFailure: isGuided };
      return environment === undefined ? createEnvironment(space, body) : saveEnvironment(space, { ...environment, ...body });
    },
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: environmentsQuery(space).queryKey });
      onLeave();
    },
  });
  return (
    <Dialog
      title={environment === undefined ? "New environment" : environment.Name}
      isOpen
      onLeave={onLeave}
      actions={
        <>
          <Button onPress={onLeave}>Leave</Button>
          <Button weight="primary" isDisabled={name.trim() === ""} isPending={save.isPending} onPress={() => save.mutate()}>
            {environment === undefined ? "Create environment" : "Save"}
          </Button>
        </>
      }
    >
      {save.isError && <ErrorPanel title="The environment was not saved" error={save.error} />}
      <TextField label="Name" value={name} onChange={setName} autoFocus placeholder="Production" />
      <TextField label="Description" value={description} onChange={setDescription} rows={2} />
      <Checkbox isSelected={isGuided} onChange={setGuided}>
        Ask a person when a step fails (guided failure)
      </Checkbox>
    </Dialog>
  );
}
