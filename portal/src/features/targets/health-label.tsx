// How a target is: shape, word and colour together. One that is disabled says so first, since nothing is deployed to it.

import { CircleAlert, CircleCheck, CircleQuestionMark, CircleSlash, CircleX, TriangleAlert } from "lucide-react";
import type { Machine } from "../../api/documents.ts";
import { joined } from "../../design/class-names.ts";
import css from "./targets.module.css";

export const healthWords: Readonly<Record<Machine["HealthStatus"], string>> = {
  Healthy: "Healthy",
  HasWarnings: "Has warnings",
  Unhealthy: "Unhealthy",
  Unavailable: "Unavailable",
  Unknown: "Not checked yet",
};

const shapes = {
  Healthy: CircleCheck,
  HasWarnings: TriangleAlert,
  Unhealthy: CircleX,
  Unavailable: CircleAlert,
  Unknown: CircleQuestionMark,
};

export function HealthLabel({ machine }: { machine: Pick<Machine, "HealthStatus" | "IsDisabled"> }) {
  const Shape = machine.IsDisabled ? CircleSlash : shapes[machine.HealthStatus];
  return (
    <span className={joined(css["health"], css[machine.IsDisabled ? "Disabled" : machine.HealthStatus])}>
      <Shape size={16} aria-hidden />
      {machine.IsDisabled ? "Disabled" : healthWords[machine.HealthStatus]}
    </span>
  );
}
