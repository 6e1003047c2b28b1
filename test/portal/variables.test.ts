// The variable editor in a real browser: values with scopes, secrets that go in and never come out, a filter that loses no edit, and two
// people at once.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { make } from "../support/api-node.ts";
import type { Json } from "../support/api-node.ts";
import { needsBrowser } from "../support/browser.ts";
import { scriptStep } from "../support/deploy-stage.ts";
import { startPortalStage } from "../support/portal-stage.ts";
import type { PortalStage } from "../support/portal-stage.ts";

let portal: PortalStage;
before(async () => {
  if (needsBrowser.skip !== false) return;
  portal = await startPortalStage();
});
after(() => portal?.close());

const secret = "correct horse battery";
const row = ({ Name, Value, Scope, IsSensitive }: Json) => ({ Name, Value, Scope, IsSensitive });

test("values are added with their scopes, a secret is never shown again, and a filter loses no edit", needsBrowser, async (t) => {
  const { api, environment } = portal.stage;
  const project = await make.project(api, "Web shop");
  const process = await api.put(`/api/projects/${project.Id}/deploymentprocesses`, { Steps: [scriptStep("install")] });
  const { page, faults, close } = await portal.open("/app/Spaces-1/projects/web-shop");
  t.after(close);
  const answers: string[] = [];
  page.on("response", (response) => {
    if (response.url().includes("/variables"))
      void response.text().then(
        (text) => answers.push(text),
        () => undefined,
      );
  });
  await page.getByRole("link", { name: "Variables" }).click();
  await page.getByRole("heading", { name: "No variables yet" }).waitFor();
  await portal.checkAccess(page, "no variables");
  await page.getByRole("button", { name: "Add variable" }).focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  await page.keyboard.type("Database.Host");
  await page.keyboard.press("Tab");
  await page.keyboard.type("db.example");
  await dialog.getByRole("button", { name: /Environments/ }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("option", { name: "Production" }).waitFor();
  await page.keyboard.press("Enter");
  await dialog.getByRole("button", { name: "Remove Production" }).waitFor();
  await dialog.getByRole("button", { name: /Steps/ }).click();
  await page.getByRole("option", { name: "install" }).click();
  await portal.checkAccess(page, "the dialog of a variable");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Add variable" }).click();
  await dialog.getByLabel("Name").fill("Database.Password");
  await dialog.getByText("Sensitive", { exact: true }).click();
  await dialog.getByLabel("Value").fill(secret);
  await dialog.getByRole("button", { name: "Done" }).click();
  await page.getByLabel("Filter variables").fill("host");
  await page.getByText("1 unsaved edit is hidden by the filter.").waitFor();
  assert.match(page.url(), /q=host/);
  await portal.checkAccess(page, "filtered variables");
  await page.keyboard.press("Control+s");
  await page.getByText("Version 1, saved.").waitFor();
  const set = await api.get(`/api/projects/${project.Id}/variables`);
  assert.deepEqual(set.Variables.map(row), [
    {
      Name: "Database.Host",
      Value: "db.example",
      Scope: { Environment: [environment.Id], Action: [process.Steps[0].Actions[0].Id] },
      IsSensitive: false,
    },
    { Name: "Database.Password", Value: null, Scope: {}, IsSensitive: true },
  ]);
  await page.getByLabel("Filter variables").fill("");
  await page.getByText("sensitive, stored").waitFor();
  // Another edit of the same row keeps the secret.
  await page.getByRole("button", { name: "Edit Database.Password" }).click();
  await dialog.getByLabel("Name").fill("Db.Password");
  await dialog.getByRole("button", { name: "Done" }).click();
  await portal.checkAccess(page, "variables");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Version 2, saved.").waitFor();
  const kept = await api.database.query<{ n: number }>(`SELECT count(*)::int AS n FROM secrets WHERE owner = $1`, [set.Id]);
  assert.equal(kept[0]?.n, 1, "the secret is not kept");
  assert.ok(answers.length > 0 && answers.every((text) => !text.includes(secret)), "a secret came out");
  assert.ok(!(await page.content()).includes(secret));
  assert.deepEqual(faults, []);
});

test("two people's values are put together; of the one both changed one chooses", needsBrowser, async (t) => {
  const { api } = portal.stage;
  const project = await make.project(api, "Two people");
  const address = `/api/variables/variableset-${project.Id}`;
  const first = await api.put(address, {
    Variables: [
      { Name: "A", Value: "was" },
      { Name: "B", Value: "was" },
    ],
  });
  const { page, faults, close } = await portal.open("/app/Spaces-1/projects/two-people/variables");
  t.after(close);
  await page.getByRole("button", { name: "Edit A" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Value").fill("mine");
  await dialog.getByRole("button", { name: "Done" }).click();
  first.Variables[0].Value = "theirs";
  first.Variables[1].Value = "theirs";
  await api.put(address, first);
  await page.getByText("was saved by somebody else while you edited").waitFor();
  await portal.checkAccess(page, "two people's variables");
  const save = page.getByRole("button", { name: "Put together and save" });
  assert.equal(await save.isDisabled(), true);
  await page.getByText("yours", { exact: true }).click();
  await save.click();
  await page.getByText("Version 3, saved.").waitFor();
  const set = await api.get(address);
  assert.deepEqual(
    set.Variables.map((one: Json) => `${one.Name}=${one.Value}`),
    ["A=mine", "B=theirs"],
  );
  await page.getByRole("button", { name: "Edit B" }).click();
  await dialog.getByRole("button", { name: "Delete" }).click();
  await page.getByText("B is removed when you save.").waitFor();
  await page.getByRole("link", { name: "Two people" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Leave and lose the changes" }).click();
  await page.getByRole("heading", { name: "Two people" }).waitFor();
  assert.deepEqual(faults, []);
});
