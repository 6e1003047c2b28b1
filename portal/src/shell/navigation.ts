// What the side bar offers, and the two keys that lead there. A page that belongs there adds its row; the route stands in routes.tsx.

import { LayoutGrid, ListChecks, Network, Package, Server } from "lucide-react";
import type { LucideIcon } from "lucide-react";

export interface NavigationEntry {
  /** The route's path, with nothing but the space to fill in. */
  to: "/app/$space" | "/app/$space/tasks" | "/app/$space/cluster" | "/app/$space/infrastructure/targets" | "/app/$space/library/packages";
  name: string;
  icon: LucideIcon;
  /** After `g`. */
  key: string;
  /** Only this very page counts as being there, not those below it. */
  isExact?: boolean;
}

export const navigation: readonly NavigationEntry[] = [
  { to: "/app/$space", name: "Dashboard", icon: LayoutGrid, key: "d", isExact: true },
  { to: "/app/$space/tasks", name: "Tasks", icon: ListChecks, key: "t" },
  { to: "/app/$space/infrastructure/targets", name: "Targets", icon: Server, key: "i" },
  { to: "/app/$space/library/packages", name: "Packages", icon: Package, key: "k" },
  { to: "/app/$space/cluster", name: "Cluster", icon: Network, key: "c" },
];
