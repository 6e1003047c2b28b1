// Who may answer an interruption, and what counts as an answer.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  formOf,
  guidedChoicesFor,
  hasResponsibility,
  mayTakeResponsibility,
  notesCharactersMax,
  readAnswer,
} from "./interruption-rules.ts";

const pending = { isPending: true, responsibleTeamIds: [], responsibleUserId: null };
const nobody = { userId: "Users-2", maySubmitAny: false, maySubmitResponsible: false, teamIds: [] };
const responsible = { ...nobody, maySubmitResponsible: true };
const anyone = { ...nobody, maySubmitAny: true };

describe("S2: responsibility", () => {
  test("without a permission nobody takes one, with InterruptionSubmit any", () => {
    assert.equal(mayTakeResponsibility(pending, nobody), false);
    assert.equal(mayTakeResponsibility({ ...pending, responsibleTeamIds: ["Teams-1"] }, anyone), true);
  });

  test("InterruptionViewSubmitResponsible is enough for one that names no team, or one of theirs", () => {
    assert.equal(mayTakeResponsibility(pending, responsible), true);
    const ofTeam = { ...pending, responsibleTeamIds: ["Teams-1", "Teams-2"] };
    assert.equal(mayTakeResponsibility(ofTeam, responsible), false);
    assert.equal(mayTakeResponsibility(ofTeam, { ...responsible, teamIds: ["Teams-3"] }), false);
    assert.equal(mayTakeResponsibility(ofTeam, { ...responsible, teamIds: ["Teams-2"] }), true);
  });

  test("what is over, or asked by nobody, is not taken", () => {
    assert.equal(mayTakeResponsibility({ ...pending, isPending: false }, anyone), false);
    assert.equal(mayTakeResponsibility(pending, { ...anyone, userId: null }), false);
  });

  test("one person has it, and only while they may", () => {
    const taken = { ...pending, responsibleUserId: "Users-2" };
    assert.equal(hasResponsibility(pending, anyone), false);
    assert.equal(hasResponsibility(taken, anyone), true);
    assert.equal(hasResponsibility(taken, { ...anyone, userId: "Users-3" }), false);
    assert.equal(hasResponsibility(taken, nobody), false);
  });
});

describe("an answer", () => {
  const manual = { type: "ManualIntervention", choices: ["Proceed", "Abort"] } as const;

  test("is one of the choices, under any case, with notes or without", () => {
    assert.deepEqual(readAnswer(manual, { Instructions: null, Notes: "fine", Result: "Proceed" }), {
      ok: true,
      result: "Proceed",
      notes: "fine",
    });
    assert.deepEqual(readAnswer(manual, { result: "abort", notes: "" }), { ok: true, result: "Abort", notes: null });
    assert.deepEqual(readAnswer({ type: "GuidedFailure", choices: ["Fail", "Retry"] }, { Guidance: "Retry" }), {
      ok: true,
      result: "Retry",
      notes: null,
    });
  });

  test("S5: anything else is refused with every fault in words", () => {
    for (const sent of [{}, { Result: null }, { Result: "Maybe" }, { Guidance: "Proceed" }, { Result: ["Proceed"] }])
      assert.deepEqual(readAnswer(manual, sent), { ok: false, faults: ["Result must be one of: Proceed, Abort."] });
    assert.deepEqual(readAnswer({ type: "GuidedFailure", choices: ["Fail", "Retry"] }, { Guidance: "Ignore" }), {
      ok: false,
      faults: ["Guidance must be one of: Fail, Retry."],
    });
    const long = readAnswer(manual, { Result: "x", Notes: "n".repeat(notesCharactersMax + 1) });
    assert.equal(long.ok || long.faults.length, 2);
  });

  test("a required step is neither ignored nor left out on a machine", () => {
    assert.deepEqual(guidedChoicesFor({ isRequired: true, hasTarget: true }), ["Fail", "Retry"]);
    assert.deepEqual(guidedChoicesFor({ isRequired: false, hasTarget: true }), ["Fail", "Retry", "Ignore", "Exclude"]);
    assert.deepEqual(guidedChoicesFor({ isRequired: false, hasTarget: false }), ["Fail", "Retry", "Ignore"]);
  });

  test("the form has instructions, notes and buttons, and what was answered", () => {
    const form = formOf({ ...manual, instructions: "Look at the site", result: null, notes: null });
    assert.deepEqual(
      form.Elements.map((element) => [element.Name, element.Control.Type]),
      [
        ["Instructions", "Paragraph"],
        ["Notes", "TextArea"],
        ["Result", "SubmitButtonGroup"],
      ],
    );
    assert.deepEqual(form.Values, { Instructions: null, Notes: null, Result: null });
    assert.deepEqual(formOf({ ...manual, instructions: "", result: "Proceed", notes: "fine" }).Values, {
      Instructions: null,
      Notes: "fine",
      Result: "Proceed",
    });
  });
});
