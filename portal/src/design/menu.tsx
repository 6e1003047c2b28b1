// A button that opens a menu of actions, links and choices. The list itself is loaded when a hand or the focus comes near.

import { Suspense, lazy, useRef, useState } from "react";
import type { ReactNode } from "react";
import { Button } from "./button.tsx";
import type { Weight } from "./button.tsx";
import type { MenuGroup } from "./menu-entries.ts";

interface MenuButtonProps extends Pick<Weight, "weight"> {
  /** Of the list. */
  label: string;
  /** Of the button, when what stands in it does not say it. */
  name?: string;
  children: ReactNode;
  groups: readonly MenuGroup[];
}

/** To be called early by whoever wants it to be there when it is opened. */
export const loadMenu = () => import("./menu-list.tsx");
const MenuList = lazy(async () => ({ default: (await loadMenu()).MenuList }));

export function MenuButton({ label, name, weight, children, groups }: MenuButtonProps) {
  const trigger = useRef<HTMLButtonElement>(null);
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Button
        ref={trigger}
        weight={weight}
        aria-label={name}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        onPress={() => setOpen(true)}
        onKeyDown={(event) => {
          if (event.key !== "ArrowDown") return event.continuePropagation();
          event.preventDefault();
          setOpen(true);
        }}
        // What cannot be loaded says so when the menu is opened.
        onHoverStart={() => void loadMenu().catch(() => {})}
        onFocus={() => void loadMenu().catch(() => {})}
      >
        {children}
      </Button>
      {isOpen && (
        <Suspense>
          <MenuList label={label} groups={groups} trigger={trigger} onLeave={() => setOpen(false)} />
        </Suspense>
      )}
    </>
  );
}
