// What `npm start` prints: plain lines everywhere, and on a terminal one moving line for whatever is being waited for.

export interface Terminal {
  /** One whole line. */
  say(line: string): void;
  /**
   * Runs something that takes a while, showing its name and how long it has taken; answers what it answers. What `tell` was given last, such
   * as "step 3 of 20", stands beside it on a terminal.
   */
  during<T>(what: string, run: (tell: (detail: string) => void) => Promise<T>): Promise<T>;
}

const frameMs = 200;
/** Before so much is done, or so long has passed, the pace says little. */
const toldPart = 1 / 20;
const toldMs = 2_000;

/** "312 of 1024 files, about 8 s left": how far something is, and at the pace so far what is left. */
export function amountText(done: number, total: number, inUnits: (amount: number) => string, elapsedMs = 0): string {
  const amount = `${inUnits(done)} of ${inUnits(total)}`;
  if (elapsedMs < toldMs || done < total * toldPart || done >= total) return amount;
  return `${amount}, about ${Math.max(1, Math.ceil((elapsedMs / done) * ((total - done) / 1000)))} s left`;
}

/** "6.5 KiB" */
export function sizeText(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`;
  return bytes < 1024 * 1024 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

export function createTerminal(out: NodeJS.WriteStream): Terminal {
  const moves = out.isTTY === true;
  let moving: string | null = null;

  function erase(): void {
    if (moving !== null) out.write("\r\u001b[2K");
  }

  function draw(): void {
    if (moving !== null) out.write(moving.slice(0, Math.max(20, (out.columns || 80) - 1)));
  }

  function say(line: string): void {
    erase();
    out.write(`${line}\n`);
    draw();
  }

  async function during<T>(what: string, run: (tell: (detail: string) => void) => Promise<T>): Promise<T> {
    let detail = "";
    const startedAt = performance.now();
    const seconds = () => ((performance.now() - startedAt) / 1000).toFixed(1);
    let timer: NodeJS.Timeout | undefined;
    if (moves) {
      timer = setInterval(() => {
        erase();
        moving = `${what}${detail === "" ? "" : `, ${detail}`} … ${seconds()} s`;
        draw();
      }, frameMs);
    } else {
      say(`${what} …`);
    }
    const end = () => {
      clearInterval(timer);
      erase();
      moving = null;
    };
    try {
      const result = await run((next) => {
        detail = next;
      });
      end();
      say(`${what}: done in ${seconds()} s`);
      return result;
    } catch (error) {
      end();
      throw error;
    }
  }

  return { say, during };
}
