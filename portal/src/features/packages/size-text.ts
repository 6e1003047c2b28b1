// Sizes of files as people read them.

const units = ["B", "KiB", "MiB", "GiB"] as const;
const figures = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

export function sizeText(bytes: number): string {
  let size = bytes;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${figures.format(size)} ${units[unit]}`;
}
