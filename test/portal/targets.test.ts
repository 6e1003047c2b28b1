// Targets in a real browser: found by filters that stand in the address, added by one line that is watched or by hand, changed, checked,
// deleted, and refused to those who may not.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { needsBrowser } from "../support/browser.ts";
import type { Page } from "../support/browser.ts";
import { portalPassword, startPortalStage } from "../support/portal-stage.ts";
import type { PortalStage } from "../support/portal-stage.ts";

const list = "/app/Spaces-1/infrastructure/targets";

let portal: PortalStage;
before(async () => {
  if (needsBrowser.skip !== false) return;
  portal = await startPortalStage({ machines: 2 });
});
after(() => portal?.close());

/** As a check of health writes it, and a change that tells of it. */
async function setHealth(name: string, status: string, summary = ""): Promise<void> {
  const { api } = portal.stage;
  await api.database.execute(`UPDATE machines SET health_status = $2, status_summary = $3, health_checked_at = now() WHERE name = $1`, [
    name,
    status,
    summary,
  ]);
  const { Items } = await api.get(`/api/machines?name=${name}`);
  await api.put(`/api/machines/${Items[0].Id}`, Items[0]);
}

const stageDone = (page: Page, stage: string) => page.locator(`[data-stage=${stage}][data-done]`).waitFor();

test("targets are found by filters in the address, and their health changes by itself", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open("/app");
  t.after(close);
  await page.getByRole("link", { name: "Targets" }).click();
  await page.getByRole("rowheader", { name: /machine-2/ }).waitFor();
  await page.getByTestId("live-light").getByText("Live").waitFor();
  await setHealth("machine-2", "Unhealthy", "It does not answer.");
  await page.getByRole("row", { name: /machine-2.*Unhealthy/ }).waitFor();
  await portal.checkAccess(page, "the list of targets");
  await page.getByRole("button", { name: /Health/ }).click();
  await page.getByRole("option", { name: "Unhealthy" }).click();
  await page.getByRole("rowheader", { name: /machine-1/ }).waitFor({ state: "detached" });
  assert.match(page.url(), /\?health=Unhealthy$/);
  await page.reload();
  await page.getByRole("rowheader", { name: /machine-2/ }).waitFor();
  assert.equal(await page.getByRole("rowheader").count(), 1, "the filter of the address was not kept");
  await page.getByLabel("Name").fill("nobody is called so");
  await page.getByRole("heading", { name: "No target fits the filters" }).waitFor();
  await page.getByRole("button", { name: "Clear filters" }).click();
  await page.getByRole("rowheader", { name: /machine-1/ }).waitFor();
  assert.deepEqual(faults, []);
});

test("one adds a target by a line, by keyboard alone, and sees it come until it is healthy", needsBrowser, async (t) => {
  const { api } = portal.stage;
  const { page, faults, close } = await portal.open(list);
  t.after(close);
  await page.getByTestId("live-light").getByText("Live").waitFor();
  await page.getByRole("link", { name: "Add target" }).focus();
  await page.keyboard.press("Enter");
  // The heading takes the focus once; what is typed before that would be lost.
  await page.locator("h1:focus", { hasText: "Add target" }).waitFor();
  await page.getByLabel("Production").waitFor();
  await page.getByLabel("Name", { exact: true }).focus();
  await page.keyboard.type("web1");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").getByText("Name at least one target tag (Roles).").waitFor();
  assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), "web1", "a refusal took what was entered");
  await portal.checkAccess(page, "the form of a line, refused");
  // The only environment there is.
  assert.ok(await page.getByLabel("Production").isChecked());
  await page.getByLabel("New target tags").focus();
  await page.keyboard.type("database");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\?token=InstallTokens-\d+$/);
  const line = page.locator("code", { hasText: "CUTTLE_INSTALL_TOKEN=" });
  const token = /CUTTLE_INSTALL_TOKEN=(\S+)/.exec((await line.textContent()) ?? "")![1]!;
  await page.getByText("Tentacle register-with").waitFor();
  await page.getByText("Waiting for the line to be pasted").waitFor();
  await page.getByRole("button", { name: "Copy: On a Linux machine" }).press("Enter");
  await page.getByText("Copied.").or(page.getByText("The line is selected")).waitFor();
  await portal.checkAccess(page, "a line that waits");

  for (const Stage of ["Started", "Downloaded", "Installed"]) {
    await api.post("/api/agent/install/stages", { Token: token, Stage });
    await stageDone(page, Stage);
  }
  await api.post("/api/agent/install/register", {
    Token: token,
    Thumbprint: "EF".repeat(20),
    Uri: "poll://abcdefghij0123456789/",
    MachineName: "unused",
  });
  await stageDone(page, "Registered");
  await page.getByText("web1 is registered; its first health check is under way.").waitFor();
  assert.equal(await line.count(), 0, "a line that is used up is still offered");
  await setHealth("web1", "Healthy");
  await stageDone(page, "Healthy");
  await page.getByText("web1 is healthy and can be deployed to.").waitFor();
  await portal.checkAccess(page, "a line that has done its work");
  await page.getByRole("link", { name: "Open the target" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "web1", level: 1 }).waitFor();
  await page.getByText("No node now.").waitFor();
  assert.deepEqual(faults, []);
});

test("a line that fails says what to check, is not shown again, and can be revoked", needsBrowser, async (t) => {
  const { api } = portal.stage;
  const made = await api.post("/api/machines/install-tokens", { EnvironmentIds: [portal.stage.environment.Id], Roles: ["web"] });
  const { page, faults, close } = await portal.open(`${list}/new`);
  t.after(close);
  await page.getByTestId("live-light").getByText("Live").waitFor();
  await page.getByRole("link", { name: "web", exact: true }).click();
  await page.getByText("The line was shown once").waitFor();
  assert.equal((await page.content()).includes(made.Token), false, "the secret of a token was shown again");
  await api.post("/api/agent/install/stages", { Token: made.Token, Stage: "Failed", Message: "<b>No room</b> on /opt." });
  await page.getByText("<b>No room</b> on /opt.").waitFor();
  await page.getByText("paste the same line again").waitFor();
  await portal.checkAccess(page, "a line that failed");
  await page.getByRole("button", { name: "Revoke …" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Revoke the line" }).click();
  await page.getByText("The token was revoked; nobody can use it.").waitFor();
  assert.equal((await api.call("POST", "/api/agent/install/stages", { Token: made.Token, Stage: "Started" })).status, 403);
  assert.deepEqual(faults, []);
});

test("a line that is used twice or late says so, on its page and to whoever fetches the script", needsBrowser, async (t) => {
  const { api } = portal.stage;
  const body = { EnvironmentIds: [portal.stage.environment.Id], Roles: ["web"], CommunicationStyle: "TentacleActive" };
  const script = (token: string) => api.call("GET", `/api/agent/install?token=${token}`, undefined, { "X-Octopus-ApiKey": "" });
  const register = (Token: string, thumbprint: string, MachineName: string) =>
    api.call("POST", "/api/agent/install/register", {
      Token,
      Thumbprint: thumbprint.repeat(20),
      Uri: "poll://zyxwvutsrq0123456789/",
      MachineName,
    });
  const twice = await api.post("/api/machines/install-tokens", body);
  const { page, faults, close } = await portal.open(`${list}/new?token=${twice.Id}`);
  t.after(close);
  await page.getByText("Waiting for the line to be pasted").waitFor();
  await page.getByTestId("live-light").getByText("Live").waitFor();
  assert.equal((await register(twice.Token, "A1", "first")).status, 200);
  await page.getByText("first is registered; its first health check is under way.").waitFor();
  const refused = await register(twice.Token, "B2", "second");
  assert.equal(refused.status, 409);
  assert.match(refused.body.ErrorMessage, /used already, by the machine first\. A token is good for one machine/);
  await page.getByText("The line is used up: it is good for one machine.").waitFor();
  assert.equal(await page.getByRole("button", { name: "Revoke …" }).count(), 0);
  await portal.checkAccess(page, "a line that is used up");
  const late = await api.post("/api/machines/install-tokens", body);
  assert.equal((await script(late.Token)).status, 200);
  await api.database.execute(`UPDATE install_tokens SET expires_at = now() WHERE id = $1`, [late.Id]);
  await page.goto(`${portal.url}${list}/new?token=${late.Id}`);
  await page.getByText(/^The token could be used until /).waitFor();
  await portal.checkAccess(page, "a line that is late");
  // The machine that has it may fetch the script again; another one is told at its first stage.
  const again = await api.call("POST", "/api/agent/install/stages", { Token: twice.Token, Stage: "Started", Thumbprint: "B2".repeat(20) });
  assert.match(again.body.ErrorMessage, /used already, by the machine first/);
  for (const [token, says] of [
    [late.Token, /could be used until .*; that is over\. Make a new one on the page Add target\./],
    ["unknown", /is not known\. Copy the whole line again/],
  ] as const) {
    const answer = await script(token);
    assert.match(answer.text, says, token);
    assert.match(answer.text, /^exit 1$/m, token);
  }
  await page.getByRole("link", { name: "Make a new line" }).click();
  await page.getByRole("button", { name: "Make the line" }).waitFor();
  assert.deepEqual(faults, []);
});

test("an agent that listens is asked who it is, and added by hand", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open(`${list}/new?by=hand`);
  t.after(close);
  await page.getByLabel("Host name or address").fill("db1.example.com");
  await page.getByRole("button", { name: "Ask who is there" }).click();
  await page.getByText("An agent answers.").waitFor();
  assert.equal(await page.getByLabel("Thumbprint").inputValue(), "CD".repeat(20));
  assert.ok(await page.getByLabel("Production").isChecked(), "the only environment there is");
  await page.getByText("web", { exact: true }).click();
  await portal.checkAccess(page, "the form of a target by hand");
  await page.getByRole("button", { name: "Add target" }).click();
  await page.getByRole("heading", { name: "db1.example.com", level: 1 }).waitFor();
  await page.getByText("https://db1.example.com:10933/").waitFor();
  assert.deepEqual(faults, []);
});

test("a target is changed without taking back what others changed, checked, and deleted", needsBrowser, async (t) => {
  const { api } = portal.stage;
  const { Items } = await api.get("/api/machines?name=machine-1");
  const id: string = Items[0].Id;
  const { page, faults, close } = await portal.open(`${list}/${id}`);
  t.after(close);
  await page.getByLabel("Name").fill("machine-one");
  await page.getByLabel("New target tags").fill("blue, green");
  await page.getByText("Not saved yet.").waitFor();
  // A colleague disables it meanwhile.
  await api.put(`/api/machines/${id}`, { ...Items[0], IsDisabled: true });
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved.").waitFor();
  const saved = await api.get(`/api/machines/${id}`);
  assert.deepEqual([saved.Name, saved.IsDisabled, saved.Roles.toSorted()], ["machine-one", true, ["blue", "green", "web"]]);
  assert.deepEqual([saved.Uri, saved.Thumbprint], [Items[0].Uri, Items[0].Thumbprint]);
  await page.getByRole("button", { name: "Check health now" }).click();
  await page.getByRole("link", { name: /^Follow it in ServerTasks-/ }).waitFor();
  await page.getByRole("link", { name: "Check the health of machine-one" }).waitFor();
  await portal.checkAccess(page, "a target");
  await page.getByRole("button", { name: "Delete …" }).click();
  await portal.checkAccess(page, "the question before a target is deleted");
  await page.getByRole("alertdialog").getByRole("button", { name: "Delete the target" }).click();
  await page.waitForURL(/\/infrastructure\/targets$/);
  assert.equal((await api.call("GET", `/api/machines/${id}`)).status, 404);
  assert.deepEqual(faults, []);
});

test("who may not see targets reads why, and a space without any says what to do", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open("/app/signin", { signedIn: false });
  t.after(close);
  const answer = await page.request.post(`${portal.url}/api/users/login`, { data: { Username: "nobody", Password: portalPassword } });
  assert.equal(answer.status(), 200);
  await page.goto(portal.url + list);
  await page.getByRole("alert").getByText("The targets could not be read.").waitFor();
  await page.getByText("MachineView").waitFor();
  await portal.checkAccess(page, "the list of targets, refused");
  assert.deepEqual(faults, []);

  const { api } = portal.stage;
  for (const machine of await api.get("/api/machines/all")) await api.call("DELETE", `/api/machines/${machine.Id}`);
  const other = await portal.open(list);
  t.after(other.close);
  await other.page.getByRole("heading", { name: "No targets yet" }).waitFor();
  await portal.checkAccess(other.page, "a space without targets");
  assert.deepEqual(other.faults, []);
});
