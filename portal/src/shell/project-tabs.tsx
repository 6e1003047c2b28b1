// The pages of one project, on each of them: what it is, what it does, and with which values.

import { Link } from "@tanstack/react-router";
import css from "./project-tabs.module.css";

const tabs = [
  { to: "/app/$space/projects/$project", name: "Releases", isExact: true },
  { to: "/app/$space/projects/$project/process", name: "Process", isExact: false },
  { to: "/app/$space/projects/$project/variables", name: "Variables", isExact: false },
] as const;

/** `project` by id or slug. */
export function ProjectTabs({ space, project }: { space: string; project: string }) {
  return (
    <nav aria-label="Project" className={css["tabs"]}>
      {tabs.map(({ to, name, isExact }) => (
        <Link
          key={to}
          to={to}
          params={{ space, project }}
          className={css["tab"]}
          activeOptions={{ exact: isExact, includeSearch: false }}
          preload="intent"
        >
          {name}
        </Link>
      ))}
    </nav>
  );
}
