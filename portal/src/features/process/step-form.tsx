// One step: its name and place, where it runs, what it does, and when. Each kind of step has its own fields; of a kind that is not known
// here everything stays as it is.

import { useQuery } from "@tanstack/react-query";
import { ArrowDown, ArrowUp } from "lucide-react";
import { packagesQuery, targetTagsQuery } from "../../api/processes.ts";
import { property } from "../../api/step-fields.ts";
import { isolated } from "../../design/isolated.ts";
import { Button } from "../../design/button.tsx";
import { CodeField } from "../../design/code-field.tsx";
import { ComboField } from "../../design/combo-field.tsx";
import { Checkbox, TextField } from "../../design/field.tsx";
import { Notice } from "../../design/notice.tsx";
import { Panel } from "../../design/page.tsx";
import { Select } from "../../design/select.tsx";
import css from "./process-page.module.css";
import {
  gapsOf,
  isDisabled,
  kindName,
  packageOf,
  renamed,
  textOf,
  withAction,
  withDisabled,
  withFolder,
  withPackage,
  withSubstitution,
  withText,
} from "./steps.ts";
import type { Action, Step } from "./steps.ts";

interface StepFormProps {
  space: string;
  step: Step;
  isFirst: boolean;
  isLast: boolean;
  onChange(step: Step): void;
  onMove(by: -1 | 1): void;
  onRemove(): void;
}

const conditions: readonly { id: Step["Condition"]; name: string }[] = [
  { id: "Success", name: "Only while everything before succeeded" },
  { id: "Failure", name: "Only when something before failed" },
  { id: "Always", name: "Always" },
  { id: "Variable", name: "When a variable says so" },
];
const syntaxes = ["Bash", "PowerShell", "Python"];

export function StepForm({ space, step, isFirst, isLast, onChange, onMove, onRemove }: StepFormProps) {
  const gaps = gapsOf(step);
  const disabled = isDisabled(step);
  const asksOnly = step.Actions.every((one) => one.ActionType === "Octopus.Manual");
  return (
    <section className={css["form"]} aria-label={`Step ${step.Name}`}>
      <div className={css["bar"]}>
        <Button isIcon aria-label="Move up" isDisabled={isFirst} onPress={() => onMove(-1)}>
          <ArrowUp size={16} aria-hidden />
        </Button>
        <Button isIcon aria-label="Move down" isDisabled={isLast} onPress={() => onMove(1)}>
          <ArrowDown size={16} aria-hidden />
        </Button>
        <Button onPress={() => onChange(withDisabled(step, !disabled))}>{disabled ? "Enable" : "Disable"}</Button>
        <Button onPress={onRemove}>Delete</Button>
      </div>
      {disabled ? (
        <Notice>This step is disabled: releases made from here on leave it out.</Notice>
      ) : (
        gaps.length > 0 && (
          <Notice kind="warning">
            {gaps.map((gap) => (
              <div key={gap}>{gap}</div>
            ))}
          </Notice>
        )
      )}
      <Panel title="Step">
        <div className={css["fields"]}>
          <TextField label="Name" value={step.Name} onChange={(name) => onChange(renamed(step, name))} />
          {!asksOnly && <Tags space={space} step={step} onChange={onChange} />}
        </div>
      </Panel>
      {step.Actions.map((action) => (
        <Panel
          key={action.Id}
          title={step.Actions.length === 1 ? kindName(action.ActionType) : `${isolated(action.Name)}: ${kindName(action.ActionType)}`}
        >
          <ActionFields space={space} action={action} onChange={(next) => onChange(withAction(step, next))} />
        </Panel>
      ))}
      <Panel title="When it runs">
        <div className={css["fields"]}>
          <Select
            label="Run condition"
            value={step.Condition}
            options={conditions}
            onChange={(Condition) => onChange({ ...step, Condition })}
          />
          {step.Condition === "Variable" && (
            <TextField
              label="Expression"
              isCode
              value={textOf(step, property.stepCondition)}
              placeholder="#{if Shop.IsOpen}True#{/if}"
              help="It runs when this comes to True, or to anything that is not False, No, 0 or empty."
              onChange={(text) => onChange(withText(step, property.stepCondition, text))}
            />
          )}
          {!isFirst && (
            <Checkbox
              isSelected={step.StartTrigger === "StartWithPrevious"}
              onChange={(isOn) => onChange({ ...step, StartTrigger: isOn ? "StartWithPrevious" : "StartAfterPrevious" })}
            >
              Start together with the step before
            </Checkbox>
          )}
        </div>
      </Panel>
    </section>
  );
}

function Tags({ space, step, onChange }: { space: string; step: Step; onChange(step: Step): void }) {
  const { data: tags = [] } = useQuery(targetTagsQuery(space));
  const value = textOf(step, property.roles);
  const chosen = new Set(value.split(",").map((one) => one.trim().toLowerCase()));
  const offered = tags.filter((one) => !chosen.has(one.toLowerCase()));
  return (
    <div className={css["tags"]}>
      <TextField
        label="Target tags"
        value={value}
        onChange={(text) => onChange(withText(step, property.roles, text))}
        help="It runs on every target of the environment that has one of these. Several are separated by commas."
      />
      {offered.length > 0 && (
        <div className={css["bar"]} role="group" aria-label="Tags in use">
          {offered.slice(0, tagsOffered).map((tag) => (
            <Button
              key={tag}
              weight="quiet"
              aria-label={`Add the tag ${tag}`}
              onPress={() => onChange(withText(step, property.roles, value.trim() === "" ? tag : `${value}, ${tag}`))}
            >
              + {tag}
            </Button>
          ))}
        </div>
      )}
    </div>
  );
}

/** More are typed. */
const tagsOffered = 12;

interface ActionFieldsProps {
  space: string;
  action: Action;
  onChange(action: Action): void;
}

function ActionFields({ space, action, onChange }: ActionFieldsProps) {
  const text = (name: string): string => textOf(action, name);
  if (action.ActionType === "Octopus.Manual") {
    return (
      <TextField
        label="Instructions"
        rows={6}
        value={text(property.instructions)}
        help="What the person is asked. Values such as #{Octopus.Release.Number} are filled in; **bold**, `code`, lists and [links](https://…) are shown as such."
        onChange={(value) => onChange(withText(action, property.instructions, value))}
      />
    );
  }
  if (action.ActionType === "Octopus.Script" && ["", "Inline"].includes(text(property.source))) {
    return (
      <div className={css["fields"]}>
        <Select
          label="Runs"
          value={text(property.onServer).toLowerCase() === "true" ? "server" : "targets"}
          options={[
            { id: "targets", name: "On the targets" },
            { id: "server", name: "On the server, in place of the targets" },
          ]}
          help="On the server without target tags it runs once; with tags once for each target."
          onChange={(where) => onChange(withText(action, property.onServer, where === "server" ? "True" : ""))}
        />
        <Select
          label="Language"
          value={text(property.syntax) || "Bash"}
          options={[...new Set([...syntaxes, text(property.syntax) || "Bash"])].map((id) => ({ id, name: id }))}
          onChange={(syntax) => onChange(withText(action, property.syntax, syntax))}
        />
        <CodeField label="Script" value={text(property.body)} onChange={(body) => onChange(withText(action, property.body, body))} />
      </div>
    );
  }
  if (action.ActionType === "Octopus.TentaclePackage") return <PackageFields space={space} action={action} onChange={onChange} />;
  return (
    <Notice>
      {action.ActionType === "Octopus.Script"
        ? "This script comes from a package or another place, which this page does not edit yet."
        : `Steps of the kind ${action.ActionType} are not edited on this page yet.`}{" "}
      It stays as it is when you save.
    </Notice>
  );
}

function PackageFields({ space, action, onChange }: ActionFieldsProps) {
  const packageId = packageOf(action);
  const { data: packages = [], isError } = useQuery({ ...packagesQuery(space, packageId), placeholderData: (before) => before });
  const chosen = packages.find((one) => one.Id.toLowerCase() === packageId.toLowerCase());
  return (
    <div className={css["fields"]}>
      <ComboField
        label="Package"
        value={packageId}
        options={packages.map((one) => one.Id)}
        help={
          isError
            ? "The packages of the built-in feed could not be read; type the name."
            : chosen !== undefined
              ? `The newest in the built-in feed is ${chosen.LatestVersion}. Which one is deployed is chosen with the release.`
              : packageId === ""
                ? "From the built-in feed."
                : "The built-in feed has no package of this name yet."
        }
        onChange={(id) => {
          if (id !== packageId) onChange(withPackage(action, id));
        }}
      />
      <TextField
        label="Custom folder"
        isCode
        value={textOf(action, property.folder)}
        placeholder="/srv/shop"
        help="Where its files are copied to. Empty: it stays where it is unpacked, one folder for each version."
        onChange={(folder) => onChange(withFolder(action, folder))}
      />
      {textOf(action, property.folder) !== "" && (
        <Checkbox
          isSelected={textOf(action, property.purge).toLowerCase() === "true"}
          onChange={(isOn) => onChange(withText(action, property.purge, isOn ? "True" : ""))}
        >
          Empty the custom folder before
        </Checkbox>
      )}
      <TextField
        label="Fill variables into these files"
        isCode
        rows={3}
        value={textOf(action, property.substitutionFiles)}
        placeholder="config/*.json"
        help="One pattern on each line. Where a file says #{Name}, the variable's value is written."
        onChange={(files) => onChange(withSubstitution(action, files))}
      />
    </div>
  );
}
