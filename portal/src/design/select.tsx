// A choice of one from a list, as a field of a form.

import { ChevronDown } from "lucide-react";
import type { ReactNode } from "react";
import { Button, Label, ListBox, ListBoxItem, Popover, Select as AriaSelect, SelectValue, Text } from "react-aria-components";
import type { Key } from "react-aria-components";
import css from "./field.module.css";
import menuCss from "./menu.module.css";

interface SelectProps<K extends string> {
  label: string;
  /** Only for those who hear the page. */
  isLabelHidden?: boolean;
  value: K | null;
  options: readonly { id: K; name: string }[];
  placeholder?: string;
  help?: ReactNode;
  isDisabled?: boolean;
  onChange(value: K): void;
}

export function Select<K extends string>({
  label,
  isLabelHidden,
  value,
  options,
  placeholder,
  help,
  isDisabled,
  onChange,
}: SelectProps<K>) {
  return (
    <AriaSelect
      className={css["field"]!}
      value={value as Key | null}
      onChange={(key) => key !== null && onChange(key as K)}
      isDisabled={isDisabled}
      placeholder={placeholder}
    >
      <Label className={isLabelHidden === true ? "visually-hidden" : css["label"]!}>{label}</Label>
      <Button className={css["select"]!}>
        <SelectValue />
        <ChevronDown size={16} aria-hidden />
      </Button>
      {help !== undefined && (
        <Text slot="description" className={css["help"]!}>
          {help}
        </Text>
      )}
      <Popover className={menuCss["popover"]!}>
        <ListBox className={menuCss["list"]!} items={options}>
          {(option) => (
            <ListBoxItem id={option.id} textValue={option.name} className={menuCss["item"]!}>
              {option.name}
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </AriaSelect>
  );
}
