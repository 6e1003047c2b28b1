// A button that opens a menu of actions, links and choices.

import { Check } from "lucide-react";
import type { ReactNode } from "react";
import { Header, Menu, MenuItem, MenuSection, MenuTrigger, Popover } from "react-aria-components";
import type { MenuItemProps } from "react-aria-components";
import css from "./menu.module.css";

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

/** `trigger` is a Button. */
export function MenuButton({ label, trigger, groups }: { label: string; trigger: ReactNode; groups: readonly MenuGroup[] }) {
  return (
    <MenuTrigger>
      {trigger}
      <Popover className={css["popover"]!} placement="bottom end">
        <Menu className={css["list"]!} aria-label={label}>
          {groups.map((group) => (
            <MenuSection key={group.id} id={group.id} {...(group.heading === undefined ? { "aria-label": label } : {})}>
              {group.heading !== undefined && <Header className={css["heading"]!}>{group.heading}</Header>}
              {group.entries.map((entry) => (
                <MenuItem
                  key={entry.id}
                  id={entry.id}
                  textValue={entry.isChosen === true ? `${entry.name} (chosen)` : entry.name}
                  href={entry.href}
                  isDisabled={entry.isDisabled}
                  onAction={() => entry.onChoose?.()}
                  className={css["item"]!}
                >
                  {entry.icon}
                  {entry.name}
                  {entry.isChosen === true && <Check size={16} aria-label="chosen" className={css["check"]} />}
                </MenuItem>
              ))}
            </MenuSection>
          ))}
        </Menu>
      </Popover>
    </MenuTrigger>
  );
}
