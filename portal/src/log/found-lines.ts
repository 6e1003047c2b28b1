// Lines of a log that were looked for: by text or by level, found by the server a bundle at a time, and added to as new lines are printed.

import { useEffect, useRef, useState } from "react";
import type { TaskLogLine } from "../api/documents.ts";
import { searchLog } from "../api/task-log.ts";

/** More finds than this are said as "5,000+": nobody steps through them. */
const foundMax = 5_000;
const typingMs = 200;

export const errorLevels = ["error", "fatal"] as const;

export interface Found {
  /** Line numbers, ascending. */
  numbers: readonly number[];
  isMore: boolean;
  isLooking: boolean;
  problem: string | undefined;
}

const nothing: Found = { numbers: [], isMore: false, isLooking: false, problem: undefined };

interface FoundLines {
  found: Found;
  /** Lines that were just printed. */
  add(lines: readonly TaskLogLine[]): void;
}

/** `text` empty and no levels: nothing is looked for. */
export function useFoundLines(space: string, task: string, wanted: { text?: string; level?: readonly string[] }): FoundLines {
  const { text = "", level } = wanted;
  const levels = level?.join(",") ?? "";
  const [found, setFound] = useState<Found>(nothing);
  const isWanted = text !== "" || levels !== "";

  useEffect(() => {
    if (!isWanted) {
      setFound(nothing);
      return;
    }
    const stop = new AbortController();
    async function look(): Promise<void> {
      setFound((before) => ({ ...before, isLooking: true, problem: undefined }));
      const numbers: number[] = [];
      try {
        for (let from: number | null = 1; from !== null && numbers.length < foundMax; ) {
          const answer: Awaited<ReturnType<typeof searchLog>> = await searchLog(
            space,
            task,
            { ...(text === "" ? {} : { text }), ...(levels === "" ? {} : { level: levels.split(",") }), from },
            stop.signal,
          );
          for (const line of answer.Lines) numbers.push(line.Number);
          from = answer.NextFrom;
          setFound({ numbers: [...numbers], isMore: from !== null, isLooking: from !== null && numbers.length < foundMax, problem: undefined });
        }
      } catch (error) {
        if (!stop.signal.aborted)
          setFound({ numbers, isMore: true, isLooking: false, problem: error instanceof Error ? error.message : String(error) });
      }
    }
    const timer = setTimeout(() => void look(), text === "" ? 0 : typingMs);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [space, task, text, levels, isWanted]);

  const fits = (line: TaskLogLine): boolean =>
    isWanted &&
    (text === "" || line.MessageText.toLowerCase().includes(text.toLowerCase())) &&
    (levels === "" || levels.split(",").includes(line.Category.toLowerCase()));
  const current = useRef(fits);
  current.current = fits;
  const add = useRef((lines: readonly TaskLogLine[]): void => {
    const fitting = lines.filter((line) => current.current(line)).map((line) => line.Number);
    if (fitting.length === 0) return;
    setFound((before) => {
      const last = before.numbers.at(-1) ?? 0;
      const further = fitting.filter((number) => number > last);
      return before.isMore || further.length === 0 ? before : { ...before, numbers: [...before.numbers, ...further] };
    });
  });
  return { found, add: add.current };
}
