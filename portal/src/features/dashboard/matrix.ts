// From the dashboard's document to rows and cells: which environments a project reaches, what is there, and what it means. Pure.

import type { Dashboard, DashboardItem } from "../../api/documents.ts";
import { shownState } from "../../design/state-label.tsx";
import type { ShownState } from "../../design/state-label.tsx";
import type { StateFilter } from "./dashboard-search.ts";

export interface Cell {
  item: DashboardItem;
  state: ShownState;
  /** The release that is there although the last deployment did not succeed. */
  remaining: string | undefined;
  /** The environment before this one has another release that came later. */
  isBehind: boolean;
  /** Of a project that is deployed for tenants: how many have anything here, and how many of them are well. */
  tenants: { count: number; succeeded: number } | undefined;
}

export interface ProjectRow {
  kind: "project";
  id: string;
  name: string;
  slug: string;
  isDisabled: boolean;
  /** One for each environment: undefined when the project does not go there, null when nothing is there. */
  cells: readonly (Cell | null | undefined)[];
}

export interface GroupRow {
  kind: "group";
  id: string;
  name: string;
  projects: number;
}

export type MatrixRow = ProjectRow | GroupRow;

export interface Matrix {
  environments: readonly { id: string; name: string }[];
  rows: readonly MatrixRow[];
  /** Cells of each state in the whole space, whatever is filtered. */
  counts: Readonly<Record<StateFilter, number>>;
  projects: number;
}

/** The cells of a matrix before, so that what did not change is the same object and is not drawn again. */
export type KnownCells = WeakMap<DashboardItem, Cell>;

export function buildMatrix(
  dashboard: Dashboard,
  filter: { q?: string | undefined; state?: StateFilter | undefined },
  known: KnownCells,
): Matrix {
  const items = Map.groupBy(dashboard.Items, (item) => `${item.ProjectId} ${item.EnvironmentId}`);
  const previous = new Map(dashboard.PreviousItems.map((item) => [`${item.ProjectId} ${item.EnvironmentId} ${item.TenantId ?? ""}`, item]));
  const counts: Record<StateFilter, number> = { failed: 0, waiting: 0, running: 0, queued: 0, behind: 0 };
  const wanted = filter.q?.trim().toLowerCase() ?? "";
  const byGroup = new Map<string, ProjectRow[]>();
  for (const project of dashboard.Projects) {
    const reached = new Set(project.EnvironmentIds);
    let before: DashboardItem | undefined;
    const cells = dashboard.Environments.map((environment): Cell | null | undefined => {
      if (!reached.has(environment.Id)) return undefined;
      const all = items.get(`${project.Id} ${environment.Id}`);
      if (all === undefined) return null;
      const cell = cellOf(all, previous, before, known);
      if (cell.item.State === "Success") before = cell.item;
      const kind = filterOf(cell.state);
      if (kind !== undefined) counts[kind] += 1;
      if (cell.isBehind) counts.behind += 1;
      return cell;
    });
    if (wanted !== "" && !project.Name.toLowerCase().includes(wanted)) continue;
    if (filter.state !== undefined && !cells.some((cell) => cell && fits(cell, filter.state))) continue;
    const row: ProjectRow = {
      kind: "project",
      id: project.Id,
      name: project.Name,
      slug: project.Slug,
      isDisabled: project.IsDisabled,
      cells,
    };
    const group = byGroup.get(project.ProjectGroupId);
    if (group === undefined) byGroup.set(project.ProjectGroupId, [row]);
    else group.push(row);
  }
  const rows: MatrixRow[] = [];
  for (const group of dashboard.ProjectGroups) {
    const own = byGroup.get(group.Id);
    if (own === undefined) continue;
    // One group needs no heading.
    if (dashboard.ProjectGroups.length > 1) rows.push({ kind: "group", id: group.Id, name: group.Name, projects: own.length });
    rows.push(...own);
  }
  return {
    environments: dashboard.Environments.map(({ Id, Name }) => ({ id: Id, name: Name })),
    rows,
    counts,
    projects: dashboard.Projects.length,
  };
}

function cellOf(
  all: readonly DashboardItem[],
  previous: ReadonlyMap<string, DashboardItem>,
  before: DashboardItem | undefined,
  known: KnownCells,
): Cell {
  // Of several tenants the one that most wants to be looked at stands for all.
  const item = all.length === 1 ? all[0]! : all.toSorted((one, other) => urgency(other) - urgency(one))[0]!;
  const state = shownState(item);
  const earlier = previous.get(`${item.ProjectId} ${item.EnvironmentId} ${item.TenantId ?? ""}`);
  const cell: Cell = {
    item,
    state,
    remaining:
      item.State !== "Success" && earlier !== undefined && earlier.ReleaseVersion !== item.ReleaseVersion
        ? earlier.ReleaseVersion
        : undefined,
    isBehind: before !== undefined && before.ReleaseId !== item.ReleaseId && item.IsCompleted && before.Created > item.Created,
    tenants:
      all.length > 1 || item.TenantId !== null
        ? { count: all.length, succeeded: all.filter((one) => one.State === "Success").length }
        : undefined,
  };
  const last = known.get(item);
  if (last !== undefined && isSame(last, cell)) return last;
  known.set(item, cell);
  return cell;
}

function isSame(one: Cell, other: Cell): boolean {
  return (
    one.state === other.state &&
    one.remaining === other.remaining &&
    one.isBehind === other.isBehind &&
    one.tenants?.count === other.tenants?.count &&
    one.tenants?.succeeded === other.tenants?.succeeded
  );
}

const urgencies: readonly ShownState[] = [
  "Failed",
  "TimedOut",
  "Waiting",
  "Executing",
  "Cancelling",
  "Queued",
  "SuccessWithWarnings",
  "Canceled",
];

function urgency(item: DashboardItem): number {
  const at = urgencies.indexOf(shownState(item));
  return at === -1 ? 0 : urgencies.length - at;
}

function filterOf(state: ShownState): Exclude<StateFilter, "behind"> | undefined {
  if (state === "Failed" || state === "TimedOut") return "failed";
  if (state === "Waiting") return "waiting";
  if (state === "Executing" || state === "Cancelling") return "running";
  return state === "Queued" ? "queued" : undefined;
}

function fits(cell: Cell, wanted: StateFilter | undefined): boolean {
  return wanted === "behind" ? cell.isBehind : filterOf(cell.state) === wanted;
}
