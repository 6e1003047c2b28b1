// What two people changed in the same document, side by side, before it is put together: what each changed alone goes in by itself, and of
// what both changed one chooses.

import { Radio, RadioGroup, Label } from "react-aria-components";
import { Notice } from "./notice.tsx";
import css from "./merge-panel.module.css";

export interface ShownChange {
  id: string;
  /** "Step Deploy". */
  name: string;
  by: "mine" | "theirs" | "both";
  fields: readonly { field: string; base: string; mine: string; theirs: string }[];
  removedBy: "mine" | "theirs" | undefined;
  isNew: boolean;
}

interface MergePanelProps {
  /** "The process". */
  what: string;
  changes: readonly ShownChange[];
  choices: ReadonlyMap<string, "mine" | "theirs">;
  onChoose(id: string, side: "mine" | "theirs"): void;
}

const byText = { mine: "changed by you", theirs: "changed by somebody else", both: "changed by both" };

export function MergePanel({ what, changes, choices, onChoose }: MergePanelProps) {
  const conflicts = changes.filter(({ by }) => by === "both").length;
  const others = changes.filter(({ by }) => by !== "mine").length;
  return (
    <section className={css["panel"]} aria-label="Changes of somebody else">
      <Notice kind="warning" isSpoken>
        <strong>{what} was saved by somebody else while you edited.</strong> {others === 1 ? "One thing is" : `${others} things are`}{" "}
        different there,{" "}
        {conflicts === 0
          ? "none of which you changed"
          : conflicts === 1
            ? "one of which you changed too"
            : `${conflicts} of which you changed too`}
        . Nothing of yours is lost: saving puts both together{conflicts > 0 && ", once you have chosen below"}.
      </Notice>
      <ul className={css["changes"]}>
        {changes.map((change) => (
          <li key={change.id}>
            <strong>{change.name}</strong>{" "}
            <span className="muted">
              {change.removedBy === undefined
                ? change.isNew
                  ? change.by === "mine"
                    ? "added by you"
                    : "added by somebody else"
                  : byText[change.by]
                : change.removedBy === "mine"
                  ? "removed by you"
                  : "removed by somebody else"}
              {change.removedBy !== undefined && change.by === "both" && ", and changed by the other"}
            </span>
            {!change.isNew && change.fields.length > 0 && <Fields change={change} />}
            {change.by === "both" && (
              <RadioGroup
                className={css["choice"]!}
                orientation="horizontal"
                value={choices.get(change.id) ?? null}
                onChange={(side) => onChoose(change.id, side === "mine" ? "mine" : "theirs")}
              >
                <Label className={css["choiceLabel"]!}>
                  Which to take<span className="visually-hidden"> of {change.name}</span>
                </Label>
                <Radio value="mine" className={css["radio"]!}>
                  yours
                </Radio>
                <Radio value="theirs" className={css["radio"]!}>
                  theirs
                </Radio>
              </RadioGroup>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Fields({ change }: { change: ShownChange }) {
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what may scroll has to be reached by keyboard
    <div className={css["box"]} tabIndex={0} role="region" aria-label={`Differences in ${change.name}`}>
      <table className={css["fields"]}>
        <thead>
          <tr>
            <th scope="col">Field</th>
            <th scope="col">Before</th>
            <th scope="col">Yours</th>
            <th scope="col">Theirs</th>
          </tr>
        </thead>
        <tbody>
          {change.fields.map(({ field, base, mine, theirs }) => (
            <tr key={field}>
              <th scope="row">{field}</th>
              {[base, mine, theirs].map((text, index) => (
                <td key={index}>
                  <pre>{text === "" ? "–" : text}</pre>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
