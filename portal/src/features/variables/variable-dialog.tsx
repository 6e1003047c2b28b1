// One value of a variable. What is entered is an edit at once; the dialog only shows it. A stored secret is replaced or kept, never seen.

import { X } from "lucide-react";
import type { Variable, VariableSet } from "../../api/documents.ts";
import { scopeKinds } from "../../api/variable-texts.ts";
import { Button } from "../../design/button.tsx";
import { Dialog } from "../../design/dialog.tsx";
import { Checkbox, TextField } from "../../design/field.tsx";
import { Select } from "../../design/select.tsx";
import css from "./variables-page.module.css";

interface VariableDialogProps {
  variable: Variable;
  hasStoredSecret: boolean;
  values: VariableSet["ScopeValues"];
  onChange(variable: Variable): void;
  onRemove(): void;
  onLeave(): void;
}

export function VariableDialog({ variable, hasStoredSecret, values, onChange, onRemove, onLeave }: VariableDialogProps) {
  const { Scope: scope } = variable;
  const isText = variable.Type === "String" || variable.Type === "Sensitive";
  const keepsSecret = variable.IsSensitive && hasStoredSecret;
  function setScope(kind: string, ids: string[]): void {
    const { [kind]: _, ...rest } = scope;
    onChange({ ...variable, Scope: ids.length === 0 ? rest : { ...scope, [kind]: ids } });
  }
  return (
    <Dialog
      title={variable.Name === "" ? "Variable" : variable.Name}
      isOpen
      onLeave={onLeave}
      actions={
        <>
          <Button onPress={onRemove}>Delete</Button>
          <Button weight="primary" onPress={onLeave}>
            Done
          </Button>
        </>
      }
    >
      <TextField
        label="Name"
        autoFocus={variable.Name === ""}
        value={variable.Name}
        isCode
        onChange={(name) => onChange({ ...variable, Name: name })}
      />
      {variable.IsSensitive ? (
        <TextField
          label="Value"
          type="password"
          autoComplete="new-password"
          value={variable.Value ?? ""}
          placeholder={keepsSecret ? "Stored; type to replace it" : ""}
          help={keepsSecret ? "The stored value is never shown. Left empty, it stays." : "Once saved, it is never shown again."}
          onChange={(text) => onChange({ ...variable, Value: text === "" && keepsSecret ? null : text })}
        />
      ) : (
        <TextField label="Value" isCode rows={3} value={variable.Value ?? ""} onChange={(text) => onChange({ ...variable, Value: text })} />
      )}
      {isText ? (
        <Checkbox
          isSelected={variable.IsSensitive}
          onChange={(isSensitive) =>
            onChange({
              ...variable,
              IsSensitive: isSensitive,
              Type: isSensitive ? "Sensitive" : "String",
              // What was a secret never comes to sight by a check box; going back to it keeps what is stored.
              Value: isSensitive
                ? hasStoredSecret && (variable.Value ?? "") === ""
                  ? null
                  : variable.Value
                : variable.IsSensitive
                  ? ""
                  : variable.Value,
            })
          }
        >
          Sensitive
        </Checkbox>
      ) : (
        <p className="muted">Type: {variable.Type}</p>
      )}
      <fieldset className={css["scopes"]}>
        <legend>Only for (nothing chosen: everywhere)</legend>
        {scopeKinds.map(({ kind, name, values: key }) => {
          const chosen = scope[kind] ?? [];
          const list = values[key];
          const left = list.filter((one) => !chosen.includes(one.Id));
          return (
            <div key={kind} className={css["scopeKind"]}>
              <Select
                label={name}
                value={null}
                placeholder={left.length === 0 ? (list.length === 0 ? "There are none" : "All are chosen") : "Add …"}
                isDisabled={list.length === 0}
                options={left.map((one) => ({ id: one.Id, name: one.Name }))}
                onChange={(id) => setScope(kind, [...chosen, id])}
              />
              {chosen.length > 0 && (
                <ul className={css["chips"]} aria-label={`Chosen ${name.toLowerCase()}`}>
                  {chosen.map((id) => {
                    const text = list.find((one) => one.Id === id)?.Name ?? id;
                    return (
                      <li key={id} className={css["chip"]}>
                        {text}
                        <Button
                          weight="quiet"
                          isIcon
                          aria-label={`Remove ${text}`}
                          onPress={() =>
                            setScope(
                              kind,
                              chosen.filter((one) => one !== id),
                            )
                          }
                        >
                          <X size={14} aria-hidden />
                        </Button>
                      </li>
                    );
                  })}
                </ul>
              )}
            </div>
          );
        })}
      </fieldset>
    </Dialog>
  );
}
