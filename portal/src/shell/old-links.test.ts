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
    ["#/Spaces-1/infrastructure/machines", "/Spaces-1/infrastructure/targets"],
    ["#/Spaces-1/infrastructure/machines/Machines-3/settings", "/Spaces-1/infrastructure/targets/Machines-3"],
    ["#/Spaces-2", "/Spaces-2"],
    ["#/", ""],
    ["#L12", undefined],
    ["", undefined],
  ] as const)
    assert.equal(pathOfOldLink(hash), path, hash);
});
