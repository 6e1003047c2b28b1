// A sentence that stands out, with what can be done about it.

import { CircleAlert, CircleCheck, Info, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { joined } from "./class-names.ts";
import css from "./notice.module.css";

const icons = { error: CircleAlert, warning: TriangleAlert, good: CircleCheck, plain: Info };

interface NoticeProps {
  kind?: keyof typeof icons;
  children: ReactNode;
  actions?: ReactNode;
  /** Spoken at once by those who hear the page. */
  isSpoken?: boolean;
}

export function Notice({ kind = "plain", children, actions, isSpoken }: NoticeProps) {
  const Icon = icons[kind];
  return (
    <div
      className={joined(css["notice"], actions !== undefined && css["withActions"], kind !== "plain" && css[kind])}
      role={isSpoken === true ? (kind === "error" ? "alert" : "status") : undefined}
    >
      <Icon size={18} aria-hidden className={css["icon"]} />
      <div className={css["text"]}>{children}</div>
      {actions !== undefined && <div className={css["actions"]}>{actions}</div>}
    </div>
  );
}
