// Two texts, one after the other's time: short ones side by side, long ones as the lines that went and came.

import { joined } from "./class-names.ts";
import css from "./text-difference.module.css";
import { differingLines } from "./differing-lines.ts";

export function TextDifference({ name, before, after }: { name: string; before: string; after: string }) {
  const isShort = !before.includes("\n") && !after.includes("\n");
  if (isShort) {
    return (
      <span>
        <Short text={before} /> <span aria-label="becomes">→</span> <Short text={after} />
      </span>
    );
  }
  const lines = differingLines(before, after);
  if (lines === undefined) {
    return (
      <span>
        {before.split("\n").length} lines become {after.split("\n").length}
      </span>
    );
  }
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what may scroll has to be reached by keyboard
    <div className={css["box"]} tabIndex={0} role="region" aria-label={`Lines of ${name}`}>
      {lines.map(({ sign, text, number }) => (
        <div key={`${sign}${number}`} className={joined(css["line"], sign === "+" && css["came"], sign === "-" && css["went"])}>
          <span className={css["sign"]}>
            <span aria-hidden>{sign === "-" ? "−" : sign}</span>
            {sign !== " " && <span className="visually-hidden">{sign === "-" ? "goes: " : "comes: "}</span>}
          </span>
          {text}
        </div>
      ))}
    </div>
  );
}

function Short({ text }: { text: string }) {
  return text === "" ? <span className="muted">nothing</span> : <code>{text}</code>;
}
