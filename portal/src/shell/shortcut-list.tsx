// The keys that work, as a list: what `?` opens.

import { Button } from "../design/button.tsx";
import { Dialog } from "../design/dialog.tsx";
import { navigation } from "./navigation.ts";
import css from "./shortcut-list.module.css";

const isMac = /Mac|iPhone|iPad/.test(navigator.platform);
const control = isMac ? "⌘" : "Ctrl";

const groups: readonly { name: string; keys: readonly (readonly [keys: string, does: string])[] }[] = [
  {
    name: "Everywhere",
    keys: [
      [`${control} K`, "Go to anything by its name"],
      ["?", "This list"],
      ...navigation.map(({ key, name }) => [`g ${key}`, name] as const),
    ],
  },
  {
    name: "Dashboard",
    keys: [
      ["← ↑ → ↓", "From cell to cell"],
      ["Enter", "Open what is there"],
    ],
  },
  {
    name: "Log of a task",
    keys: [
      ["n", "Next error"],
      ["N", "Error before"],
      ["f", "Follow the end"],
      ["w", "Wrap long lines"],
    ],
  },
  { name: "Editors", keys: [[`${control} S`, "Save"]] },
];

export function ShortcutList({ onLeave }: { onLeave(): void }) {
  return (
    <Dialog title="Keys" isOpen onLeave={onLeave} actions={<Button onPress={onLeave}>Close</Button>}>
      <p className="muted">Single keys work where nobody is typing.</p>
      <div className={css["groups"]}>
        {groups.map(({ name, keys }) => (
          <section key={name}>
            <h3>{name}</h3>
            <dl className={css["keys"]}>
              {keys.map(([key, does]) => (
                <div key={key}>
                  <dt>
                    {key.split(" ").map((one) => (
                      <kbd key={one}>{one}</kbd>
                    ))}
                  </dt>
                  <dd>{does}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
