/** The caller's end of a polling connection: hands requests from the queue to the subscriber, one at a time, and the empty message when there are none. */
import type { Connection } from "./connection.ts";
import type { SpoolPlace } from "./data-streams.ts";
import { ConnectionError, HalibutCallError } from "./errors.ts";
import { callError, exchange } from "./exchange.ts";
import type { Call } from "./exchange.ts";
import { encodeRequest, nothingMessage } from "./messages.ts";
import type { CollectedCall, PollingQueue } from "./polling-queue.ts";

/** Serves an introduced subscriber until it says END or the connection ends. Rejects with what ended it. */
export async function dispatch(parts: {
  connection: Connection;
  queue: PollingQueue;
  subscription: string;
  thumbprint: string;
  place: SpoolPlace;
}): Promise<void> {
  const { connection, queue, subscription, place } = parts;
  const { limits } = place;
  let sequence = 0;

  /** Sends a call and settles it. A failure before its first byte puts it back; every failure ends the connection. */
  async function run(collected: CollectedCall): Promise<void> {
    const { contract, method, params, options, givingUp } = collected;
    let call: Call;
    try {
      await options.beforeSend?.();
      if (givingUp.reason !== null) throw new HalibutCallError(givingUp.reason, `${method} was given up before it was sent.`);
      call = {
        request: encodeRequest({ contract, method, params }, { url: `${subscription}/`, thumbprint: parts.thumbprint }, ++sequence),
        resultShape: contract.methods[method]!.result,
        what: `${contract.name}.${method} on ${subscription}`,
        timeoutMs: options.timeoutMs,
        givingUp,
        sent: false,
      };
    } catch (error) {
      // The call is over; the subscriber has seen nothing of it and gets the empty message instead.
      collected.settle({ ok: false, error });
      return connection.sendMessage("nothing", { document: nothingMessage, streams: [] });
    }
    try {
      const outcome = await exchange(connection, call, place);
      collected.settle(outcome);
    } catch (error) {
      if (!call.sent && error instanceof ConnectionError && givingUp.reason === null) collected.putBack();
      else collected.settle({ ok: false, error: callError(call, error) });
      throw error;
    }
    // Before NEXT has come: it carries the acknowledgement for which a subscriber with Nagle's algorithm holds its NEXT back.
    await connection.sendControl("PROCEED");
  }

  for (;;) {
    // An agent that is stopped says END while it waits for a request. A request sent after that would be lost, and nobody could tell.
    const hearing = connection.listenIn();
    const collected = await queue.take({ subscription, thumbprint: parts.thumbprint }, limits.pollHoldMs, hearing.signal);
    hearing.stop();
    if (hearing.signal.aborted) {
      collected?.putBack();
      await connection.readControl(limits.pollControlMs);
      return;
    }
    if (collected === null) await connection.sendMessage("nothing", { document: nothingMessage, streams: [] });
    else if (collected.givingUp.reason === null) await run(collected);
    else {
      const gaveUp = new HalibutCallError(collected.givingUp.reason, `${collected.method} was given up before it was sent.`);
      collected.settle({ ok: false, error: gaveUp });
      continue;
    }
    if ((await connection.readControl(limits.pollControlMs)) === "END") return;
    if (connection.state === "dispatcher: must proceed") await connection.sendControl("PROCEED");
  }
}
