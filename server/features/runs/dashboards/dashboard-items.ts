// The items of dashboards and progressions: one deployment each. Nearly all of them are what they were when they were last asked for, so a document
// is kept as long as its row stays the same, and with it its text. What is shown is always what the row of this request says.

import { durationText } from "../../../base/duration-text.ts";
import { lasting } from "../../../platform/http/http.ts";
import type { ItemRow } from "./dashboard-read-store.ts";

export type Place = "current" | "previous";

/** Of each place; some three kilobytes each. Beyond that the one that was made first goes. */
const keptItemsMax = 5_000;

interface Kept {
  spaceId: string;
  row: ItemRow;
  item: Item;
}
type Item = ReturnType<typeof makeItem>;

const kept: Record<Place, Map<string, Kept>> = { current: new Map(), previous: new Map() };

/** A document that nobody may change, because other requests get it too. */
export function presentItem(spaceId: string, row: ItemRow, place: Place): Readonly<Item> {
  const items = kept[place];
  const known = items.get(row.id);
  if (known?.spaceId === spaceId && isSame(known.row, row)) return known.item;
  const item = makeItem(spaceId, row, place);
  // What still runs is another one at the next request.
  if (row.completed_at === null) return item;
  if (known === undefined && items.size >= keptItemsMax) items.delete(items.keys().next().value!);
  items.set(row.id, { spaceId, row, item: lasting(item) });
  return item;
}

function isSame(one: ItemRow, other: ItemRow): boolean {
  for (const column in one) if (one[column as keyof ItemRow] !== other[column as keyof ItemRow]) return false;
  return true;
}

/** `2026-01-31T09:00:00.120+00:00` of `2026-01-31 09:00:00.12`. */
function timeText(stored: string): string {
  return `${stored.slice(0, 10)}T${stored.slice(11, 19)}.${stored.slice(20, 23).padEnd(3, "0")}+00:00`;
}

function makeItem(spaceId: string, row: ItemRow, place: Place) {
  const base = `/api/${spaceId}`;
  return {
    Id: row.id,
    ProjectId: row.project_id,
    EnvironmentId: row.environment_id,
    ReleaseId: row.release_id,
    ReleaseVersion: row.release_version,
    ChannelId: row.channel_id,
    TenantId: row.tenant_id,
    DeploymentId: row.id,
    TaskId: row.task_id,
    State: row.state,
    Created: timeText(row.created_at),
    QueueTime: timeText(row.queued_at),
    StartTime: row.started_at && timeText(row.started_at),
    CompletedTime: row.completed_at && timeText(row.completed_at),
    Duration: row.lasted_s === null ? null : durationText(row.lasted_s),
    ErrorMessage: row.error_message,
    HasPendingInterruptions: row.has_pending_interruptions,
    HasWarningsOrErrors: row.has_warnings_or_errors,
    IsCompleted: row.completed_at !== null,
    IsCurrent: place === "current",
    IsPrevious: place === "previous",
    Links: {
      Self: `${base}/deployments/${row.id}`,
      Task: `${base}/tasks/${row.task_id}`,
      Release: `${base}/releases/${row.release_id}`,
    },
  };
}
