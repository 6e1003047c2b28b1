// A field with suggestions: one types freely, and is offered what is known.

import { ChevronDown } from "lucide-react";
import type { ReactNode } from "react";
import { Button, ComboBox, Input, Label, ListBox, ListBoxItem, Popover, Text } from "react-aria-components";
import { joined } from "./class-names.ts";
import css from "./field.module.css";
import menuCss from "./menu.module.css";

interface ComboFieldProps {
  label: string;
  value: string;
  /** What is known; those that contain the text are offered. */
  options: readonly string[];
  help?: ReactNode;
  placeholder?: string;
  onChange(value: string): void;
}

export function ComboField({ label, value, options, help, placeholder, onChange }: ComboFieldProps) {
  return (
    <ComboBox className={css["field"]!} allowsCustomValue inputValue={value} onInputChange={onChange} menuTrigger="focus">
      <Label className={css["label"]!}>{label}</Label>
      <div className={css["combo"]}>
        <Input className={joined(css["input"])} placeholder={placeholder} />
        <Button className={css["comboButton"]!}>
          <ChevronDown size={16} aria-hidden />
        </Button>
      </div>
      {help !== undefined && (
        <Text slot="description" className={css["help"]!}>
          {help}
        </Text>
      )}
      <Popover className={menuCss["popover"]!}>
        <ListBox className={menuCss["list"]!}>
          {options.map((option) => (
            <ListBoxItem key={option} id={option} textValue={option} className={menuCss["item"]!}>
              {option}
            </ListBoxItem>
          ))}
        </ListBox>
      </Popover>
    </ComboBox>
  );
}
