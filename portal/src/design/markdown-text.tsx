// Text that somebody wrote with the marks of Markdown, as elements of React: nothing in it is ever taken as HTML.

import { useMemo } from "react";
import type { ReactNode } from "react";
import { readMarkdown } from "./markdown.ts";
import type { Block, Inline } from "./markdown.ts";
import css from "./markdown-text.module.css";

export function MarkdownText({ text }: { text: string }) {
  const blocks = useMemo(() => readMarkdown(text), [text]);
  return <div className={css["markdown"]}>{blocks.map(shownBlock)}</div>;
}

function shownBlock(block: Block, key: number): ReactNode {
  switch (block.kind) {
    case "paragraph":
      return <p key={key}>{block.parts.map(shownInline)}</p>;
    case "heading":
      return (
        <p key={key} className={css["heading"]}>
          {block.parts.map(shownInline)}
        </p>
      );
    case "code":
      return (
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls has to be reached by keyboard
        <pre key={key} tabIndex={0} role="region" aria-label="Code">
          {block.text}
        </pre>
      );
    case "list": {
      const items = block.items.map((inner, index) => <li key={index}>{inner.map(shownBlock)}</li>);
      return block.isOrdered ? (
        <ol key={key} start={block.start}>
          {items}
        </ol>
      ) : (
        <ul key={key}>{items}</ul>
      );
    }
  }
}

function shownInline(part: Inline, key: number): ReactNode {
  switch (part.kind) {
    case "text":
      return part.text;
    case "break":
      return <br key={key} />;
    case "code":
      return <code key={key}>{part.text}</code>;
    case "bold":
      return <strong key={key}>{part.parts.map(shownInline)}</strong>;
    case "emphasis":
      return <em key={key}>{part.parts.map(shownInline)}</em>;
    case "link":
      return (
        <a key={key} href={part.href} target="_blank" rel="noreferrer noopener">
          {part.parts.map(shownInline)}
        </a>
      );
  }
}
