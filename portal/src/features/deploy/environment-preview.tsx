// What a deployment to one environment will do: its steps with their machines, each of which may be left out, what stands in the way, and
// what is asked of the person.

import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { deploymentPreviewQuery } from "../../api/deployments.ts";
import type { DeploymentPreview } from "../../api/documents.ts";
import { isolated } from "../../design/isolated.ts";
import { Checkbox, TextField } from "../../design/field.tsx";
import { Loaded } from "../../design/loaded.tsx";
import { Notice } from "../../design/notice.tsx";
import { Panel } from "../../design/page.tsx";
import { Skeleton } from "../../design/view-states.tsx";
import css from "./deploy-page.module.css";

export interface Answers {
  values: Readonly<Record<string, string>>;
  skipped: ReadonlySet<string>;
  guidedFailure: boolean | undefined;
}

interface EnvironmentPreviewProps {
  space: string;
  release: string;
  environment: { id: string; name: string };
  answers: Answers | undefined;
  onChange(next: Answers): void;
  /** Above the steps. */
  children?: ReactNode;
}

/** A question of the form, as far as it is read here. */
interface Question {
  Name: string;
  Control: { Name: string; Label?: string; Description?: string; DisplaySettings?: Record<string, unknown> };
  IsValueRequired: boolean;
}

const none: Answers = { values: {}, skipped: new Set(), guidedFailure: undefined };

export function EnvironmentPreview({ space, release, environment, answers = none, onChange, children }: EnvironmentPreviewProps) {
  const query = useQuery(deploymentPreviewQuery(space, release, environment.id));
  return (
    <Panel title={environment.name}>
      {children}
      <Loaded query={query} what={`What happens in ${isolated(environment.name)}`} skeleton={<Skeleton height="6rem" />}>
        {(preview) => (
          <>
            {blockersOf(preview).map((sentence) => (
              <Notice key={sentence} kind="warning">
                {sentence}
              </Notice>
            ))}
            <Questions preview={preview} answers={answers} onChange={onChange} />
            <ol className={css["steps"]}>
              {preview.StepsToExecute.map((step) => (
                <li key={step.ActionId} className={css["step"]}>
                  <Checkbox
                    isSelected={!answers.skipped.has(step.ActionId)}
                    isDisabled={!step.CanBeSkipped || step.IsDisabled}
                    onChange={(isRun) => {
                      const skipped = new Set(answers.skipped);
                      if (isRun) skipped.delete(step.ActionId);
                      else skipped.add(step.ActionId);
                      onChange({ ...answers, skipped });
                    }}
                  >
                    {step.ActionNumber}. {isolated(step.ActionName)}
                  </Checkbox>
                  <span className="muted small">{machinesText(step)}</span>
                </li>
              ))}
            </ol>
            <Checkbox
              isSelected={answers.guidedFailure ?? preview.UseGuidedFailureModeByDefault}
              onChange={(guidedFailure) => onChange({ ...answers, guidedFailure })}
            >
              Ask what to do when a step fails, instead of failing at once
            </Checkbox>
          </>
        )}
      </Loaded>
    </Panel>
  );
}

function Questions({ preview, answers, onChange }: { preview: DeploymentPreview; answers: Answers; onChange(next: Answers): void }) {
  const questions = preview.Form.Elements as unknown as readonly Question[];
  if (questions.length === 0) return null;
  return (
    <div className={css["questions"]}>
      {questions.map(({ Name, Control, IsValueRequired }) => (
        <TextField
          key={Name}
          label={Control.Label || Control.Name}
          {...(Control.Description ? { help: Control.Description } : {})}
          isRequired={IsValueRequired}
          type={Control.DisplaySettings?.["Octopus.ControlType"] === "Sensitive" ? "password" : "text"}
          value={answers.values[Name] ?? preview.Form.Values[Name] ?? ""}
          onChange={(value) => onChange({ ...answers, values: { ...answers.values, [Name]: value } })}
        />
      ))}
    </div>
  );
}

type Step = DeploymentPreview["StepsToExecute"][number];

function blockersOf(preview: DeploymentPreview): string[] {
  if (preview.StepsToExecute.length === 0) return ["No step runs here: the process has none that fits this environment."];
  return preview.StepsToExecute.flatMap((step) => [
    ...(step.HasNoApplicableMachines
      ? [`Step ${step.ActionNumber} (${isolated(step.ActionName)}) finds no machine here with ${step.Roles.map(isolated).join(" or ")}.`]
      : []),
    ...(step.UnavailableMachines.length > 0
      ? [
          `Step ${step.ActionNumber} (${isolated(step.ActionName)}): ${step.UnavailableMachines.map(({ Name }) => isolated(Name)).join(", ")} cannot be reached.`,
        ]
      : []),
  ]);
}

function machinesText(step: Step): string {
  if (step.IsDisabled) return "disabled";
  if (step.Machines.length === 0) return step.Roles.length === 0 ? "" : "on no machine";
  return `on ${step.Machines.map(({ Name }) => isolated(Name)).join(", ")}`;
}
