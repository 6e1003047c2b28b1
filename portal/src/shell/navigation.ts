// What the side bar offers, and the two keys that lead there. A page that belongs there adds its row; the route stands in routes.tsx.

import { FolderKanban, Layers, LayoutGrid, ListChecks, MessageCircleQuestionMark, Network, Package, Server } from "lucide-react";
import type { LucideIcon } from "lucide-react";

export interface NavigationEntry {
  /** The route's path, with nothing but the space to fill in. */
  to:
    | "/app/$space"
    | "/app/$space/projects"
    | "/app/$space/approvals"
    | "/app/$space/tasks"
    | "/app/$space/infrastructure/environments"
    | "/app/$space/infrastructure/targets"
    | "/app/$space/library/packages"
    | "/app/$space/cluster";
  name: string;
  icon: LucideIcon;
  /** After `g`. */
  key: string;
  /** Only this very page counts as being there, not those below it. */
  isExact?: boolean;
  /** Pages elsewhere that belong there: what follows the space in their addresses. */
  also?: string;
  /** What waits there for the person is counted beside the name. */
  counted?: "questions";
}

export const navigation: readonly NavigationEntry[] = [
  { to: "/app/$space", name: "Dashboard", icon: LayoutGrid, key: "d", isExact: true },
  { to: "/app/$space/projects", name: "Projects", icon: FolderKanban, key: "p", also: "/releases/" },
  { to: "/app/$space/approvals", name: "Approvals", icon: MessageCircleQuestionMark, key: "a", counted: "questions" },
  { to: "/app/$space/tasks", name: "Tasks", icon: ListChecks, key: "t" },
  { to: "/app/$space/infrastructure/environments", name: "Environments", icon: Layers, key: "e" },
  { to: "/app/$space/infrastructure/targets", name: "Targets", icon: Server, key: "i" },
  { to: "/app/$space/library/packages", name: "Packages", icon: Package, key: "k" },
  { to: "/app/$space/cluster", name: "Cluster", icon: Network, key: "c" },
];
