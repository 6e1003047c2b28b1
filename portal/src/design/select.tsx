// A choice of one from a list, as a field of a form. In a long list one types a part of the name, and is offered what fits.

import { ChevronDown } from "lucide-react";
import type { ReactNode } from "react";
import { useState } from "react";
import {
  Button,
  ComboBox,
  Input,
  Label,
  ListBox,
  ListBoxItem,
  Popover,
  Select as AriaSelect,
  SelectValue,
  Text,
} from "react-aria-components";
import type { Key } from "react-aria-components";
import css from "./field.module.css";
import menuCss from "./menu.module.css";
import { narrowed } from "./narrowing.tsx";

/** Longer lists are drawn in parts, and found in by typing. */
const drawnMax = 50;

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

export function Select<K extends string>(props: SelectProps<K>) {
  return props.options.length > drawnMax ? <LongSelect {...props} /> : <ShortSelect {...props} />;
}

function Options({ shown }: { shown: readonly { id: string; name: string }[] }) {
  return (
    <ListBox
      className={menuCss["list"]!}
      items={shown}
      renderEmptyState={() => <p className={menuCss["heading"]}>Nothing is called so.</p>}
    >
      {(option) => (
        <ListBoxItem id={option.id} textValue={option.name} className={menuCss["item"]!}>
          {option.name}
        </ListBoxItem>
      )}
    </ListBox>
  );
}

function LongSelect<K extends string>({ label, isLabelHidden, value, options, placeholder, help, isDisabled, onChange }: SelectProps<K>) {
  const chosen = options.find(({ id }) => id === value)?.name ?? "";
  /** Undefined while nobody types. */
  const [typed, setTyped] = useState<string>();
  /** Where the choice goes elsewhere, the field is a new and empty one after it. */
  const [choices, setChoices] = useState(0);
  const shown = narrowed(options, typed ?? "", { max: drawnMax, textOf: ({ name }) => name, isKept: ({ id }) => id === value });
  return (
    <ComboBox
      key={choices}
      className={css["field"]!}
      value={value as Key | null}
      inputValue={typed ?? chosen}
      onInputChange={(text) => setTyped(text === chosen ? undefined : text)}
      onChange={(key) => {
        if (key === null) return;
        // A text that changes while the field has the focus opens the list; so it is that of the choice at once.
        setTyped(value === null ? undefined : options.find(({ id }) => id === key)?.name);
        if (value === null) setChoices((before) => before + 1);
        onChange(key as K);
      }}
      onBlur={() => setTyped(undefined)}
      items={shown}
      autoFocus={choices > 0}
      allowsEmptyCollection
      {...(isDisabled === undefined ? {} : { isDisabled })}
    >
      <Label className={isLabelHidden === true ? "visually-hidden" : css["label"]!}>{label}</Label>
      <div className={css["combo"]}>
        <Input className={css["input"]!} placeholder={placeholder ?? `Find among ${options.length.toLocaleString("en")}`} />
        <Button className={css["comboButton"]!}>
          <ChevronDown size={16} aria-hidden />
        </Button>
      </div>
      <Text slot="description" className={css["help"]!}>
        {help ?? `${shown.length} of ${options.length.toLocaleString("en")} are offered; type a part of the name for others.`}
      </Text>
      <Popover className={menuCss["popover"]!}>
        <Options shown={shown} />
      </Popover>
    </ComboBox>
  );
}

function ShortSelect<K extends string>({ label, isLabelHidden, value, options, placeholder, help, isDisabled, onChange }: SelectProps<K>) {
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
        <Options shown={options} />
      </Popover>
    </AriaSelect>
  );
}
