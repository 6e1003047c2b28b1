// Buttons in four weights, and links that look like buttons because they lead to where something is done.

import { Button as AriaButton, Link as AriaLink } from "react-aria-components";
import type { ButtonProps as AriaButtonProps, LinkProps as AriaLinkProps } from "react-aria-components";
import type { Ref } from "react";
import css from "./button.module.css";
import { joined } from "./class-names.ts";

export interface Weight {
  /** `primary`: the one thing this page is for. `danger`: it takes something away. `quiet`: among others, as in bars. */
  weight?: "primary" | "danger" | "quiet" | undefined;
  /** Only an icon; give it an aria-label. */
  isIcon?: boolean;
}

interface ButtonProps extends Omit<AriaButtonProps, "className" | "isPending">, Weight {
  /** What it does is under way: it keeps the focus, and a further press does nothing. */
  isPending?: boolean;
  ref?: Ref<HTMLButtonElement>;
}

export function Button({ weight, isIcon, isPending, onPress, ...rest }: ButtonProps) {
  const press = isPending === true || onPress === undefined ? {} : { onPress };
  return <AriaButton {...rest} {...press} aria-disabled={isPending === true || undefined} className={classOf(weight, isIcon)} />;
}

type ButtonLinkProps = Omit<AriaLinkProps, "className"> & Weight;

export function ButtonLink({ weight, isIcon, ...rest }: ButtonLinkProps) {
  return <AriaLink {...rest} className={classOf(weight, isIcon)} />;
}

function classOf(weight: Weight["weight"], isIcon: boolean | undefined): string {
  return joined(css["button"], weight && css[weight], isIcon && css["icon"]);
}
