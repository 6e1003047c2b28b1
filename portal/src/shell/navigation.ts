// What the side bar offers, and the two keys that lead there. A page that belongs there adds its row; the route stands in routes.tsx.

import { FolderKanban, Layers, LayoutGrid, MessageCircleQuestionMark } from "lucide-react";
import type { LucideIcon } from "lucide-react";

export interface NavigationEntry {
  /** The route's path, with nothing but the space to fill in. */
  to: "/app/$space" | "/app/$space/projects" | "/app/$space/approvals" | "/app/$space/infrastructure/environments";
  name: string;
  icon: LucideIcon;
  /** After `g`. */
  key: string;
  /** Only this very page counts as being there, not those below it. */
  isExact?: boolean;
  /** What waits there for the person is counted beside the name. */
  counted?: "questions";
}

export const navigation: readonly NavigationEntry[] = [
  { to: "/app/$space", name: "Dashboard", icon: LayoutGrid, key: "d", isExact: true },
  { to: "/app/$space/projects", name: "Projects", icon: FolderKanban, key: "p" },
  { to: "/app/$space/approvals", name: "Approvals", icon: MessageCircleQuestionMark, key: "a", counted: "questions" },
  { to: "/app/$space/infrastructure/environments", name: "Environments", icon: Layers, key: "e" },
];
