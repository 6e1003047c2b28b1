// Fields of forms: text (one line or several), a check box, and a choice from a list. Each has a label, and room for help and an error.

import { Check, ChevronDown } from "lucide-react";
import type { ReactNode } from "react";
import {
  Button,
  Checkbox as AriaCheckbox,
  FieldError,
  Input,
  Label,
  ListBox,
  ListBoxItem,
  Popover,
  Select as AriaSelect,
  SelectValue,
  Text,
  TextArea,
  TextField as AriaTextField,
} from "react-aria-components";
import type { CheckboxProps as AriaCheckboxProps, Key, TextFieldProps as AriaTextFieldProps } from "react-aria-components";
import { joined } from "./class-names.ts";
import css from "./field.module.css";
import menuCss from "./menu.module.css";

interface TextFieldProps extends Omit<AriaTextFieldProps, "className" | "children"> {
  label: string;
  help?: ReactNode;
  /** What is wrong with the value; the field is then marked as invalid. */
  error?: string | undefined;
  placeholder?: string;
  /** Several lines of room. */
  rows?: number;
  /** In the type of code. */
  isCode?: boolean;
}

export function TextField({ label, help, error, placeholder, rows, isCode, ...rest }: TextFieldProps) {
  const className = joined(css["input"], isCode && css["code"]);
  return (
    <AriaTextField {...rest} isInvalid={error !== undefined} className={css["field"]!}>
      <Label className={css["label"]!}>{label}</Label>
      {rows === undefined ? (
        <Input className={className} placeholder={placeholder} />
      ) : (
        <TextArea className={className} placeholder={placeholder} rows={rows} />
      )}
      {help !== undefined && (
        <Text slot="description" className={css["help"]!}>
          {help}
        </Text>
      )}
      <FieldError className={css["error"]!}>{error}</FieldError>
    </AriaTextField>
  );
}

export function Checkbox({ children, ...rest }: Omit<AriaCheckboxProps, "className" | "children"> & { children: ReactNode }) {
  return (
    <AriaCheckbox {...rest} className={css["checkbox"]!}>
      <span className={css["box"]} aria-hidden>
        <Check size={14} strokeWidth={3} />
      </span>
      {children}
    </AriaCheckbox>
  );
}

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
