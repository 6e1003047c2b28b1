// The dashboard of a space: what is deployed where, since when, and what wants to be looked at. It changes by itself.

import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useMemo, useRef } from "react";
import { SearchField, Input, Label, ToggleButton } from "react-aria-components";
import { dashboardQuery } from "../../api/dashboard.ts";
import type { Dashboard } from "../../api/documents.ts";
import { Button, ButtonLink } from "../../design/button.tsx";
import fieldCss from "../../design/field.module.css";
import { Loaded } from "../../design/loaded.tsx";
import { PageHeader } from "../../design/page.tsx";
import { StateIcon } from "../../design/state-label.tsx";
import type { ShownState } from "../../design/state-label.tsx";
import { EmptyState, Skeleton } from "../../design/view-states.tsx";
import css from "./dashboard-page.module.css";
import type { DashboardSearch, StateFilter } from "./dashboard-search.ts";
import { MatrixGrid } from "./matrix-grid.tsx";
import { buildMatrix } from "./matrix.ts";
import type { KnownCells } from "./matrix.ts";

const route = getRouteApi("/signed-in/app/$space/");

const filters: readonly { id: StateFilter; name: string; state: ShownState }[] = [
  { id: "failed", name: "Failed", state: "Failed" },
  { id: "waiting", name: "Waiting", state: "Waiting" },
  { id: "running", name: "Running", state: "Executing" },
  { id: "queued", name: "Queued", state: "Queued" },
  { id: "behind", name: "Behind", state: "SuccessWithWarnings" },
];

export function DashboardPage() {
  const { space } = route.useParams();
  const query = useQuery(dashboardQuery(space));
  return (
    <>
      <PageHeader title="Dashboard" />
      <Loaded query={query} what="The dashboard" skeleton={<Skeleton height="calc(100dvh - 12rem)" />}>
        {(dashboard) => <Board space={space} dashboard={dashboard} />}
      </Loaded>
    </>
  );
}

function Board({ space, dashboard }: { space: string; dashboard: Dashboard }) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const known = useRef<KnownCells>(new WeakMap());
  const { q, state } = search;
  const matrix = useMemo(() => buildMatrix(dashboard, { q, state }, known.current), [dashboard, q, state]);
  const change = (next: DashboardSearch): void => void navigate({ search: next, replace: true });

  if (matrix.projects === 0) {
    return (
      <EmptyState
        title="No projects yet"
        action={
          <>
            <ButtonLink weight="primary" href={{ to: "/app/$space/start", params: { space } }}>
              First steps
            </ButtonLink>
            <ButtonLink href={{ to: "/app/$space/projects", params: { space }, search: { new: true } }}>New project</ButtonLink>
          </>
        }
      >
        A project is what is deployed: its steps, its variables and its releases. The first steps lead from an empty server to a first
        deployment.
      </EmptyState>
    );
  }
  return (
    <>
      <div className={css["tools"]} role="group" aria-label="Filters">
        {filters.map(({ id, name, state: shape }) => (
          <ToggleButton
            key={id}
            className={css["chip"]!}
            isSelected={state === id}
            isDisabled={matrix.counts[id] === 0 && state !== id}
            onChange={(isSelected) => change({ ...(q === undefined ? {} : { q }), ...(isSelected ? { state: id } : {}) })}
          >
            <StateIcon state={shape} />
            {name} <span className="tabular">{matrix.counts[id]}</span>
          </ToggleButton>
        ))}
        <SearchField
          className={css["filter"]!}
          value={q ?? ""}
          onChange={(text) => change({ ...(text === "" ? {} : { q: text }), ...(state === undefined ? {} : { state }) })}
        >
          <Label className="visually-hidden">Filter projects</Label>
          <Input className={fieldCss["input"]!} placeholder="Filter projects" />
        </SearchField>
      </div>
      <span role="status" className="visually-hidden">
        {matrix.counts.failed} failed, {matrix.counts.waiting} waiting, {matrix.counts.running} running
      </span>
      {matrix.rows.length === 0 ? (
        <EmptyState title="No project fits the filters" action={<Button onPress={() => change({})}>Clear filters</Button>}>
          {matrix.projects} projects are hidden.
        </EmptyState>
      ) : (
        <MatrixGrid space={space} matrix={matrix} />
      )}
    </>
  );
}
