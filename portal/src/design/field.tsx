// Fields of forms: text (one line or several) and a check box. Each has a label, and room for help and an error.

import { Check } from "lucide-react";
import type { ReactNode } from "react";
import { Checkbox as AriaCheckbox, FieldError, Input, Label, Text, TextArea, TextField as AriaTextField } from "react-aria-components";
import type { CheckboxProps as AriaCheckboxProps, TextFieldProps as AriaTextFieldProps } from "react-aria-components";
import { joined } from "./class-names.ts";
import css from "./field.module.css";

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
