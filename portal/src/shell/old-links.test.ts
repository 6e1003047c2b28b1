// Links of the older kind lead to what they meant.

import assert from "node:assert/strict";
import { test } from "node:test";
import { pathOfOldLink } from "./old-links.ts";

test("old hashes become paths below /app", () => {
  for (const [hash, path] of [
    ["#/Spaces-1/tasks/ServerTasks-7?activeTab=taskLog", "/Spaces-1/tasks/ServerTasks-7"],
    ["#/Spaces-1/projects/web-shop", "/Spaces-1/projects/web-shop"],
    ["#/Spaces-1/projects/web-shop/deployments/releases/1.2.3", "/Spaces-1/projects/web-shop/releases/1.2.3"],
    ["#/Spaces-1/projects/web-shop/deployments", "/Spaces-1/projects/web-shop"],
    // What the `octopus` command line prints after it made something.
    ["#/Spaces-1/projects/web-shop/variables", "/Spaces-1/projects/web-shop/variables"],
    ["#/Spaces-1/projects/web-shop/deployments/process", "/Spaces-1/projects/web-shop/process"],
    ["#/Spaces-1/projects/web-shop/deployments/channels/edit/Channels-2", "/Spaces-1/projects/web-shop"],
    ["#/Spaces-1/projects?projectGroupId=ProjectGroups-2", "/Spaces-1/projects"],
    ["#/Spaces-1/projectGroups/ProjectGroups-2", "/Spaces-1/projects"],
    ["#/Spaces-1/releases/Releases-4", "/Spaces-1/releases/Releases-4"],
    ["#/Spaces-1/infrastructure/environments/Environments-2", "/Spaces-1/infrastructure/environments"],
    ["#/Spaces-1/infrastructure/machines", "/Spaces-1/infrastructure/targets"],
    ["#/Spaces-1/infrastructure/machines/Machines-3/settings", "/Spaces-1/infrastructure/targets/Machines-3"],
    ["#/Spaces-2", "/Spaces-2"],
    ["#/", ""],
    ["#L12", undefined],
    ["", undefined],
  ] as const)
    assert.equal(pathOfOldLink(hash), path, hash);
});
