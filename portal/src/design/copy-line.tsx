// A line to be pasted elsewhere, with a button that copies it. Browsers allow that only to pages that came by HTTPS; elsewhere the line is
// selected, so that one key copies it.

import { Check, Copy } from "lucide-react";
import { useRef, useState } from "react";
import { Button } from "./button.tsx";
import css from "./copy-line.module.css";

export function CopyLine({ label, text }: { label: string; text: string }) {
  const code = useRef<HTMLElement>(null);
  const [outcome, setOutcome] = useState<"copied" | "selected">();

  async function copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
      setOutcome("copied");
    } catch {
      if (code.current !== null) getSelection()?.selectAllChildren(code.current);
      setOutcome("selected");
    }
  }

  return (
    <figure className={css["figure"]}>
      <figcaption className={css["caption"]}>{label}</figcaption>
      <div className={css["row"]}>
        <code ref={code} className={css["line"]}>
          {text}
        </code>
        <Button aria-label={`${outcome === "copied" ? "Copied" : "Copy"}: ${label}`} onPress={() => void copy()}>
          {outcome === "copied" ? <Check size={16} aria-hidden /> : <Copy size={16} aria-hidden />}
          {outcome === "copied" ? "Copied" : "Copy"}
        </Button>
      </div>
      <span role="status" className={outcome === "selected" ? css["outcome"] : "visually-hidden"}>
        {outcome === "copied" && "Copied."}
        {outcome === "selected" && "The line is selected: copy it with Ctrl C or ⌘ C."}
      </span>
    </figure>
  );
}
