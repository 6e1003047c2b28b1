// The targets of a space: how each is and when it was last looked at. What is shown stands in the address, and changes by itself.

import { useQuery } from "@tanstack/react-query";
import { Link, getRouteApi } from "@tanstack/react-router";
import { Input, Label, SearchField } from "react-aria-components";
import type { Environment, Machine, Page } from "../../api/documents.ts";
import { environmentsQuery } from "../../api/environments.ts";
import { healthStates, machineRolesQuery, machinesPageQuery, machinesPerPage } from "../../api/machines.ts";
import type { HealthState, MachineFilter } from "../../api/machines.ts";
import { isolated } from "../../design/isolated.ts";
import { Button, ButtonLink } from "../../design/button.tsx";
import fieldCss from "../../design/field.module.css";
import { Loaded } from "../../design/loaded.tsx";
import { PageHeader } from "../../design/page.tsx";
import { Select } from "../../design/select.tsx";
import { Table } from "../../design/table.tsx";
import { TimeText } from "../../design/time-text.tsx";
import { EmptyState, Skeleton } from "../../design/view-states.tsx";
import { HealthLabel, healthWords } from "./health-label.tsx";
import css from "./targets.module.css";

const route = getRouteApi("/signed-in/app/$space/infrastructure/targets");

export function TargetsPage() {
  const { space } = route.useParams();
  const filter = route.useSearch();
  const query = useQuery(machinesPageQuery(space, filter));
  const { data: environments = [] } = useQuery(environmentsQuery(space));
  const { page: _page, ...narrowing } = filter;
  const isNarrowed = Object.keys(narrowing).length > 0;
  return (
    <>
      <PageHeader
        title="Targets"
        within={["Infrastructure"]}
        actions={
          <ButtonLink weight="primary" href={{ to: "/app/$space/infrastructure/targets/new", params: { space } }}>
            Add target
          </ButtonLink>
        }
      />
      <Loaded query={query} what="The targets" skeleton={<Skeleton height="20rem" />}>
        {(machines) =>
          machines.TotalResults === 0 && !isNarrowed ? (
            <EmptyState
              title="No targets yet"
              action={
                <ButtonLink weight="primary" href={{ to: "/app/$space/infrastructure/targets/new", params: { space } }}>
                  Add the first target
                </ButtonLink>
              }
            >
              A target is a machine that releases go to. An agent runs on it; one pasted line installs it.
            </EmptyState>
          ) : (
            <>
              <Filters space={space} filter={filter} environments={environments} />
              <List space={space} filter={filter} machines={machines} environments={environments} />
            </>
          )
        }
      </Loaded>
    </>
  );
}

const anything = "";

function Filters({ space, filter, environments }: { space: string; filter: MachineFilter; environments: readonly Environment[] }) {
  const navigate = route.useNavigate();
  const { data: roles = [] } = useQuery(machineRolesQuery(space));
  /** Another filter begins at its first page. */
  function change(next: { [K in keyof MachineFilter]?: MachineFilter[K] | undefined }): void {
    const wanted = Object.entries({ ...filter, page: undefined, ...next }).filter(([, value]) => value !== undefined && value !== "");
    void navigate({ search: Object.fromEntries(wanted) as MachineFilter, replace: true });
  }
  return (
    <div className={css["tools"]} role="group" aria-label="Filters">
      <SearchField value={filter.q ?? ""} onChange={(q) => change({ q })}>
        <Label className={fieldCss["label"]!}>Name</Label>
        <Input className={fieldCss["input"]!} placeholder="Any name" />
      </SearchField>
      <Select
        label="Environment"
        value={filter.environment ?? anything}
        options={[{ id: anything, name: "All" }, ...environments.map(({ Id, Name }) => ({ id: Id, name: Name }))]}
        onChange={(environment) => change({ environment })}
      />
      <Select
        label="Target tag"
        value={filter.role ?? anything}
        options={[{ id: anything, name: "All" }, ...roles.map((role) => ({ id: role, name: role }))]}
        onChange={(role) => change({ role })}
      />
      <Select<HealthState | "">
        label="Health"
        value={filter.health ?? anything}
        options={[{ id: anything, name: "All" }, ...healthStates.map((id) => ({ id, name: healthWords[id] }))]}
        onChange={(health) => change({ health: health === "" ? undefined : health })}
      />
      <Select
        label="In use"
        value={filter.disabled === undefined ? anything : filter.disabled ? "no" : "yes"}
        options={[
          { id: anything, name: "All" },
          { id: "yes", name: "Enabled" },
          { id: "no", name: "Disabled" },
        ]}
        onChange={(inUse) => change({ disabled: inUse === anything ? undefined : inUse === "no" })}
      />
    </div>
  );
}

interface ListProps {
  space: string;
  filter: MachineFilter;
  machines: Page<Machine>;
  environments: readonly Environment[];
}

function List({ space, filter, machines, environments }: ListProps) {
  const navigate = route.useNavigate();
  const page = filter.page ?? 1;
  const pages = Math.max(1, Math.ceil(machines.TotalResults / machinesPerPage));
  /** In the order of the environments, whatever the order in which they were ticked. */
  const namesOf = (ids: readonly string[]): string => {
    const known = environments.filter(({ Id }) => ids.includes(Id));
    return [...known.map(({ Name }) => isolated(Name)), ...ids.filter((id) => !known.some(({ Id }) => Id === id))].join(", ");
  };
  if (machines.Items.length === 0)
    return (
      <EmptyState
        title="No target fits the filters"
        action={<Button onPress={() => void navigate({ search: {} })}>Clear filters</Button>}
      />
    );
  const { page: _page, ...rest } = filter;
  const toPage = (wanted: number) => ({ ...rest, ...(wanted > 1 ? { page: wanted } : {}) });
  return (
    <>
      <Table label="Targets" columns={["Target", "Health", "Environments", "Target tags", "Last check"]}>
        {machines.Items.map((machine) => (
          <tr key={machine.Id}>
            <th scope="row" className={css["name"]}>
              <Link to="/app/$space/infrastructure/targets/$machine" params={{ space, machine: machine.Id }}>
                {machine.Name}
              </Link>
              <div className="muted small">{styleWords[machine.Endpoint.CommunicationStyle]}</div>
            </th>
            <td>
              <HealthLabel machine={machine} />
            </td>
            <td>{namesOf(machine.EnvironmentIds)}</td>
            <td>{machine.Roles.map(isolated).join(", ")}</td>
            <td>{machine.HealthCheckedAt ? <TimeText at={machine.HealthCheckedAt} /> : <span className="muted">never</span>}</td>
          </tr>
        ))}
      </Table>
      <nav className={css["pages"]} aria-label="Pages">
        <span className="muted tabular" role="status">
          {machines.TotalResults === 1 ? "1 target" : `${machines.TotalResults} targets`}
          {pages > 1 && `, page ${page} of ${pages}`}
        </span>
        {page > 1 && (
          <Link to="/app/$space/infrastructure/targets" params={{ space }} search={toPage(page - 1)}>
            Previous page
          </Link>
        )}
        {page < pages && (
          <Link to="/app/$space/infrastructure/targets" params={{ space }} search={toPage(page + 1)}>
            Next page
          </Link>
        )}
      </nav>
    </>
  );
}

const styleWords: Readonly<Record<Machine["Endpoint"]["CommunicationStyle"], string>> = {
  TentaclePassive: "listens",
  TentacleActive: "polls",
  None: "no agent",
};
