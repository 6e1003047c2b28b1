// The page of the cluster in a real browser: what nodes run and lack, how much they may run, draining with its wait, and nodes that are gone.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { needsBrowser } from "../support/browser.ts";
import { scriptStep } from "../support/deploy-stage.ts";
import { eventually } from "../support/eventually.ts";
import { portalPassword, startPortalStage } from "../support/portal-stage.ts";
import type { PortalStage } from "../support/portal-stage.ts";

const address = "/app/Spaces-1/cluster";

let portal: PortalStage;
before(async () => {
  if (needsBrowser.skip !== false) return;
  portal = await startPortalStage();
});
after(() => portal?.close());

const nodeNamed = async (name: string) => {
  const { Nodes } = await portal.stage.api.get("/api/octopusservernodes/summary");
  return Nodes.find((one: { Name: string }) => one.Name === name);
};

test("a node is drained; a task that comes then waits and says why, until the node takes tasks again", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open("/app");
  t.after(close);
  await page.getByRole("link", { name: "Cluster" }).click();
  await page.getByText("None: every task has a node.").waitFor();
  await page.getByRole("button", { name: "Drain test …" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("No other node takes tasks.").waitFor();
  const drain = dialog.getByRole("button", { name: "Drain", exact: true });
  assert.equal(await drain.isDisabled(), true, "the last node was drained without its name");
  await portal.checkAccess(page, "the question before the last node is drained");
  await dialog.getByLabel("Type test").fill("test");
  await drain.click();
  await dialog.getByText("Nothing runs on test: it is safe to stop.").waitFor();
  assert.equal((await nodeNamed("test")).IsInMaintenanceMode, true);
  await dialog.getByRole("button", { name: "Done" }).click();
  await page.getByText("Drained: safe to stop").waitFor();

  const taskId = await portal.stage.deploy([scriptStep("one")]);
  const row = page.getByRole("row", { name: /Shop 1/ });
  await row.getByText("No node takes tasks now: test is drained.").waitFor();
  await portal.checkAccess(page, "a task that waits for a node");
  await page.getByRole("button", { name: "Take tasks again on test" }).click();
  await page.locator("[data-node=test][data-state=Running]").waitFor();
  await portal.stage.node("test");
  assert.equal((await portal.ended(taskId)).State, "Success");
  await row.waitFor({ state: "detached" });
  assert.deepEqual(faults, []);
});

test("by keyboard alone one drains a node that works, waits until it has ended, and takes it back", needsBrowser, async (t) => {
  let isOver = false;
  portal.stage.agent.behave = () => ({ lines: ["working"], exitCode: 0, questions: 1, until: () => isOver });
  const taskId = await portal.stage.deploy([scriptStep("two")]);
  const { page, faults, close } = await portal.open(address);
  t.after(close);
  await page
    .getByRole("list", { name: "Tasks that run on test" })
    .getByRole("link", { name: /Shop 2/ })
    .waitFor();
  await portal.checkAccess(page, "the cluster");
  await page.getByRole("button", { name: "Drain test …" }).focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  await dialog.getByText("1 task goes on here to the end.").waitFor();
  await dialog.getByLabel("Type test").focus();
  await page.keyboard.type("test");
  await dialog.getByRole("button", { name: "Drain", exact: true }).focus();
  await page.keyboard.press("Enter");
  await dialog.getByText("1 task runs on it to the end").waitFor();
  await page.locator("[data-node=test][data-state=Draining]").waitFor();
  await portal.checkAccess(page, "a node that is being drained");
  isOver = true;
  await portal.ended(taskId);
  await dialog.getByText("Nothing runs on test: it is safe to stop.").waitFor();
  await dialog.getByRole("button", { name: "Cancel the draining" }).focus();
  await page.keyboard.press("Enter");
  await dialog.getByText("Nothing runs on it now.").waitFor();
  assert.equal((await nodeNamed("test")).IsInMaintenanceMode, false);
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await page.locator("[data-node=test][data-state=Running]").waitFor();
  assert.deepEqual(faults, []);
});

test("how many tasks a node runs is changed in place, what is no number is said, and a refusal keeps it", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open(address);
  t.after(close);
  const field = page.getByLabel("Tasks at a time on test");
  await field.fill("many");
  await page.getByText("A whole number.").waitFor();
  await field.fill("20000");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").getByText("MaxConcurrentTasks must be at most 10000.").waitFor();
  assert.equal(await field.inputValue(), "20000", "a refusal took what was entered");
  await field.fill("7");
  await page.keyboard.press("Enter");
  await page.getByText("0 of 7 places used").waitFor();
  assert.equal((await nodeNamed("test")).MaxConcurrentTasks, 7);
  assert.deepEqual(faults, []);
});

test("a node says what it lacks, and one that is gone can be deleted", needsBrowser, async (t) => {
  await portal.stage.api.database.execute(
    `INSERT INTO server_nodes (id, name, task_cap, instance, version, last_seen_at, impairments) VALUES
       ('OctopusServerNodes-lame', 'lame', 5, 'x', '0', now() + interval '1 day', ARRAY['Shared folder']),
       ('OctopusServerNodes-gone', 'gone', 5, 'y', '0', now() - interval '1 day', ARRAY[]::text[])`,
  );
  const { page, faults, close } = await portal.open(address);
  t.after(close);
  await page.getByText("takes no task until that is back: Shared folder.").waitFor();
  assert.equal(await page.getByRole("button", { name: "Drain gone …" }).count(), 0);
  await portal.checkAccess(page, "nodes that are impaired and offline");
  await page.getByRole("button", { name: "Delete gone …" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Delete the node" }).click();
  await page.locator("[data-node=gone]").waitFor({ state: "detached" });
  await eventually("the node is gone", async () => (await nodeNamed("gone")) === undefined);
  assert.deepEqual(faults, []);
});

test("who may not configure the server reads why", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open("/app/signin", { signedIn: false });
  t.after(close);
  const answer = await page.request.post(`${portal.url}/api/users/login`, { data: { Username: "nobody", Password: portalPassword } });
  assert.equal(answer.status(), 200);
  await page.goto(portal.url + address);
  await page.getByRole("alert").getByText("The nodes could not be read.").waitFor();
  await page.getByText("ConfigureServer").waitFor();
  await portal.checkAccess(page, "the cluster, refused");
  assert.deepEqual(faults, []);
});
