// How long something took, as people say it.

export function durationText(seconds: number): string {
  if (seconds < 1) return "less than a second";
  const parts = [
    { of: Math.floor(seconds / 3600), unit: "hour" },
    { of: Math.floor(seconds / 60) % 60, unit: "minute" },
    { of: Math.floor(seconds) % 60, unit: "second" },
  ];
  return parts
    .filter((part) => part.of > 0)
    .map((part) => `${part.of} ${part.unit}${part.of === 1 ? "" : "s"}`)
    .join(" ");
}
