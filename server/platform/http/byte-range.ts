// Which part of a file a Range header asks for. One part only: whoever asks for several gets the whole, as HTTP allows.

export type ByteRange = { from: number; to: number } | "whole" | "unsatisfiable";

/** `to` is not included. A range that is not understood is ignored. */
export function readByteRange(header: string | undefined, bytes: number): ByteRange {
  const found = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? "");
  if (found === null) return "whole";
  const [, first = "", last = ""] = found;
  if (first === "" && last === "") return "whole";
  if (first === "") return Number(last) === 0 ? "unsatisfiable" : { from: Math.max(0, bytes - Number(last)), to: bytes };
  const from = Number(first);
  const to = last === "" ? bytes : Math.min(bytes, Number(last) + 1);
  if (last !== "" && Number(last) < from) return "whole";
  return from >= bytes ? "unsatisfiable" : { from, to };
}
