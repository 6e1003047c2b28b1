// Which lines are in sight at a place of the scroll bar, for logs of any length. Browsers cannot make an element as tall as millions of
// lines, so past a length the scroll bar stands for more than its own pixels. Pure.

export const linePx = 20;
/** Lines beyond the edges that exist too. */
export const overscanLines = 20;
/** The tallest an element may be. Browsers give up between 17 and 33 million pixels. */
export const spacerPxMax = 15_000_000;

export interface Geometry {
  /** Height of the element that gives the scroll bar its length. */
  spacerPx: number;
  /** Pixels of the log for each pixel of the scroll bar; 1 unless the log is very long. */
  scale: number;
}

export function geometryOf(lineCount: number, viewportPx: number): Geometry {
  const wholePx = lineCount * linePx;
  const spacerPx = Math.min(wholePx, spacerPxMax);
  const scrollable = Math.max(1, spacerPx - viewportPx);
  return { spacerPx, scale: spacerPx === wholePx ? 1 : Math.max(1, (wholePx - viewportPx) / scrollable) };
}

/** Numbers of the first and last line that exist, from 1, at a place in pixels of the log. */
export function visibleLines(offsetPx: number, viewportPx: number, lineCount: number): { first: number; last: number } {
  const top = Math.floor(offsetPx / linePx);
  const rows = Math.ceil(viewportPx / linePx);
  return {
    first: Math.max(1, top + 1 - overscanLines),
    last: Math.min(lineCount, top + 1 + rows + overscanLines),
  };
}

/** The place that shows a line a third below the upper edge. */
export function offsetOf(line: number, viewportPx: number, lineCount: number): number {
  const most = Math.max(0, lineCount * linePx - viewportPx);
  return Math.max(0, Math.min(most, (line - 1) * linePx - Math.floor(viewportPx / 3)));
}
