// What a menu's button opens: the list above the page. It is loaded when the first menu is opened.

import { Check } from "lucide-react";
import type { RefObject } from "react";
import { Header, Menu, MenuItem, MenuSection, Popover } from "react-aria-components";
import type { MenuGroup } from "./menu-entries.ts";
import css from "./menu.module.css";

interface MenuListProps {
  label: string;
  groups: readonly MenuGroup[];
  trigger: RefObject<HTMLButtonElement | null>;
  onLeave(): void;
}

export function MenuList({ label, groups, trigger, onLeave }: MenuListProps) {
  return (
    <Popover
      className={css["popover"]!}
      placement="bottom end"
      triggerRef={trigger}
      trigger="MenuTrigger"
      aria-label={label}
      isOpen
      onOpenChange={(isOpen) => {
        if (!isOpen) onLeave();
      }}
    >
      <Menu className={css["list"]!} aria-label={label} autoFocus="first" onClose={onLeave}>
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
  );
}
