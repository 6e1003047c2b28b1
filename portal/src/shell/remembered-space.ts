// The space that was used last in this browser: where the portal begins.

const key = "cuttle.space";

export function rememberSpace(space: string): void {
  try {
    localStorage.setItem(key, space);
  } catch {
    // Then it begins in the default space.
  }
}

export function rememberedSpace(): string | undefined {
  try {
    return localStorage.getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}
