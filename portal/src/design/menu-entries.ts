// What stands in a menu.

import type { ReactNode } from "react";
import type { MenuItemProps } from "react-aria-components";

export interface MenuEntry {
  id: string;
  name: string;
  icon?: ReactNode;
  /** Leads somewhere; else `onChoose` is called. */
  href?: NonNullable<MenuItemProps["href"]>;
  onChoose?(): void;
  /** One of several that exclude each other. */
  isChosen?: boolean;
  isDisabled?: boolean;
}

export interface MenuGroup {
  id: string;
  heading?: string;
  entries: readonly MenuEntry[];
}
