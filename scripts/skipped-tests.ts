// Finds the skipped tests in the TAP output of Node's test runner. It knows only the one line form that the runner prints for them.

export interface SkippedTest {
  name: string;
  /** As the test gave it; empty when it gave none. */
  reason: string;
}

const skipLine = /^\s*ok \d+ - (?<name>.*?) # SKIP ?(?<reason>.*)$/;

/** Every skipped test of a TAP text, in its order. */
export function skippedTests(tap: string): SkippedTest[] {
  const found: SkippedTest[] = [];
  for (const line of tap.split("\n")) {
    const groups = skipLine.exec(line)?.groups;
    if (groups === undefined) continue;
    // TAP escapes "#" and "\" inside names.
    found.push({ name: (groups["name"] ?? "").replace(/\\([#\\])/g, "$1"), reason: (groups["reason"] ?? "").replace(/\\([#\\])/g, "$1") });
  }
  return found;
}
