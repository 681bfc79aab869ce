/** The way into the outbox: written first, then shown, then sent when there is a link. */
import type { Message } from "./messages.ts";
import type { OutboxItem } from "./outbox.ts";
import { readBody } from "./payload.ts";
import type { Base } from "./state.ts";
import { ClientError } from "./types.ts";

/** How an item of the outbox is shown; undefined for events and profiles, which are not. */
export const sendingRow = (item: OutboxItem): Message | undefined =>
  item.frame.t !== "send"
    ? undefined
    : {
        key: item.frame.id,
        cid: item.frame.id,
        conv: item.frame.conv ?? "",
        from: "user",
        own: true,
        ts: item.at,
        body: readBody(item.frame.msg),
        status: item.failed ? "failed" : "sending",
        ...(item.failed ? { error: item.failed } : {}),
        ...(item.frame.replyTo ? { replyTo: item.frame.replyTo } : {}),
      };

/** Puts `frame` in the outbox. */
export function enqueue({ world, outbox, state, put }: Omit<Base, "queue">, frame: OutboxItem["frame"]): OutboxItem {
  const { limits, conversationId } = state();
  if (new TextEncoder().encode(JSON.stringify(frame)).length > limits.frame)
    throw new ClientError("too_large", `the message is above the limit of ${limits.frame} bytes`);
  const item: OutboxItem = { frame, at: world.now() };
  if (!outbox.add(item))
    throw new ClientError("outbox_full", "too much waits to be sent: try again when the connection is back");
  const row = sendingRow(item);
  if (row && row.conv === (conversationId ?? "")) put(row);
  return item;
}
