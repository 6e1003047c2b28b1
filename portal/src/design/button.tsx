// Buttons in four weights, and links that look like buttons because they lead to where something is done.

import { Button as AriaButton, Link as AriaLink } from "react-aria-components";
import type { ButtonProps as AriaButtonProps, LinkProps as AriaLinkProps } from "react-aria-components";
import css from "./button.module.css";
import { joined } from "./class-names.ts";

export interface Weight {
  /** `primary`: the one thing this page is for. `danger`: it takes something away. `quiet`: among others, as in bars. */
  weight?: "primary" | "danger" | "quiet";
  /** Only an icon; give it an aria-label. */
  isIcon?: boolean;
}

type ButtonProps = Omit<AriaButtonProps, "className"> & Weight;

export function Button({ weight, isIcon, ...rest }: ButtonProps) {
  return <AriaButton {...rest} className={classOf(weight, isIcon)} />;
}

type ButtonLinkProps = Omit<AriaLinkProps, "className"> & Weight;

export function ButtonLink({ weight, isIcon, ...rest }: ButtonLinkProps) {
  return <AriaLink {...rest} className={classOf(weight, isIcon)} />;
}

function classOf(weight: Weight["weight"], isIcon: boolean | undefined): string {
  return joined(css["button"], weight && css[weight], isIcon && css["icon"]);
}
