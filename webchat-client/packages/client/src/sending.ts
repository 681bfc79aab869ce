/**
 * From the outbox to the gateway: one item in flight per lane, acks and nacks, and requests that no outbox keeps.
 */
import type { AckFrame, AuthFrame, ConvFrame, NackFrame } from "./frames.ts";
import type { Message } from "./messages.ts";
import { laneOf, MAX_AGE_MS, type OutboxItem } from "./outbox.ts";
import { sendingRow } from "./queue.ts";
import type { Core } from "./state.ts";
import { newId } from "./surroundings.ts";
import { ClientError, type ClientErrorCode } from "./types.ts";

export interface Sending {
  /** Sends what may be sent now. */
  pump(): void;
  /** Resolves when item or request `id` was acknowledged. */
  acked(id: string): Promise<AckFrame>;
  /** A frame that is repeated until its ack, on this page only. */
  request(frame: Omit<ConvFrame, "id"> | Omit<AuthFrame, "id">): Promise<AckFrame>;
  ack(frame: AckFrame): void;
  nack(frame: NackFrame): void;
  /** The link is gone: nothing is in flight any more. */
  lost(): void;
  /** The gateway closed over a frame that was too large: what was in flight fails. */
  tooLarge(): void;
  /** Rows of the outbox that belong to conversation `conv`. */
  rows(conv: string): Message[];
  /** Gives up waiting: requests and promises of items reject. */
  abandon(code: ClientErrorCode): void;
}

interface Waiter {
  resolve(ack: AckFrame): void;
  reject(error: ClientError): void;
}

/** No ack for so long: the link is not what it seems. */
const ACK_MS = 20_000;
const REQUEST_MS = 30_000;

const knownCode = (code: string): ClientErrorCode =>
  (["rate", "too_large", "bad", "blocked", "closed", "auth"] as const).find((known) => known === code) ?? "bad";

export function createSending(
  core: Core,
  on: {
    /** The ack names a conversation. */
    conversation(conv: string, seq: number | undefined): void;
    stored(item: OutboxItem, ack: AckFrame): void;
    /** Asks for a fresh identity; true if another try makes sense. */
    refused(): boolean;
  },
): Sending {
  const { world, outbox, link, emitter, put, timeline } = core;
  const flying = new Map<string, string>();
  const blocked = new Set<string>();
  const waiters = new Map<string, Waiter>();
  const requests = new Map<string, { frame: ConvFrame | AuthFrame; sent: boolean; timer: unknown }>();
  const renewed = new Set<string>();
  let watch: unknown;

  const arm = (): void => {
    world.clearTimeout(watch);
    if (flying.size) watch = world.setTimeout(() => link.renew(), ACK_MS);
  };
  const settleWaiter = (id: string, run: (waiter: Waiter) => void): void => {
    const waiter = waiters.get(id);
    waiters.delete(id);
    if (waiter) run(waiter);
  };
  const fail = (item: OutboxItem, code: string): void => {
    const { id } = item.frame;
    const error = new ClientError(knownCode(code), `the gateway did not take it: ${code}`);
    if (item.frame.t === "send") outbox.replace(id, { ...item, failed: code });
    else outbox.remove(id);
    settleWaiter(id, (waiter) => waiter.reject(error));
    const row = timeline.find(id);
    const failed = row && { ...row, status: "failed" as const, error: code };
    if (failed) {
      put(failed);
      core.tell({ k: "own", row: failed });
      emitter.emit("messageFailed", { id, code, message: failed });
    } else if (item.frame.t !== "send") emitter.emit("error", { code, message: error.message });
  };
  const land = (id: string): void => {
    for (const [lane, flew] of flying) if (flew === id) flying.delete(lane);
    arm();
  };
  const ship = (id: string): void => {
    const request = requests.get(id);
    if (request && !request.sent) request.sent = link.send(request.frame);
  };

  const pump = (): void => {
    for (const item of outbox.items()) if (!item.failed && world.now() - item.at > MAX_AGE_MS) fail(item, "expired");
    if (link.state.state !== "open") return;
    for (const id of requests.keys()) ship(id);
    for (const item of outbox.heads()) {
      const lane = laneOf(item);
      if (flying.has(lane) || blocked.has(lane) || !link.send(item.frame)) continue;
      flying.set(lane, item.frame.id);
      arm();
    }
  };
  const pause = (lane: string, ms: number): void => {
    blocked.add(lane);
    world.setTimeout(() => {
      blocked.delete(lane);
      pump();
    }, ms);
  };
  const waitFor = (id: string): Promise<AckFrame> =>
    new Promise((resolve, reject) => waiters.set(id, { resolve, reject }));
  const closeRequest = (id: string): void => {
    world.clearTimeout(requests.get(id)?.timer);
    requests.delete(id);
  };

  return {
    pump,
    acked: waitFor,
    request(frame) {
      const id = newId(world.random);
      const timer = world.setTimeout(() => {
        requests.delete(id);
        settleWaiter(id, (waiter) => waiter.reject(new ClientError("timeout", "the gateway did not answer in 30 s")));
      }, REQUEST_MS);
      requests.set(id, { frame: { ...frame, id } as ConvFrame | AuthFrame, sent: false, timer });
      const answer = waitFor(id);
      link.open(true);
      ship(id);
      return answer;
    },
    ack(frame) {
      const item = outbox.get(frame.id);
      land(frame.id);
      closeRequest(frame.id);
      renewed.delete(frame.id);
      if (item) {
        outbox.remove(frame.id);
        if (frame.conv) on.conversation(frame.conv, frame.seq);
        on.stored(item, frame);
      }
      settleWaiter(frame.id, (waiter) => waiter.resolve(frame));
      pump();
    },
    nack({ id, code, retry }) {
      const item = outbox.get(id);
      land(id);
      if (!item) {
        closeRequest(id);
        settleWaiter(id, (waiter) =>
          waiter.reject(new ClientError(knownCode(code), `the gateway refused it: ${code}`)),
        );
      } else if (retry != null) pause(laneOf(item), retry);
      else if (code === "auth" && !renewed.has(id) && on.refused()) {
        // Once per item: an identity that is refused twice will be refused again.
        renewed.add(id);
        pause(laneOf(item), 1000);
      } else fail(item, code);
      pump();
    },
    lost() {
      flying.clear();
      for (const request of requests.values()) request.sent = false;
      arm();
    },
    tooLarge() {
      for (const id of [...flying.values()]) {
        const item = outbox.get(id);
        if (item) fail(item, "too_large");
      }
    },
    rows: (conv) =>
      outbox
        .items()
        .map(sendingRow)
        .filter((row): row is Message => row?.conv === conv),
    abandon(code) {
      for (const id of [...requests.keys()]) closeRequest(id);
      for (const id of [...waiters.keys()])
        settleWaiter(id, (waiter) => waiter.reject(new ClientError(code, "the client was ended")));
      flying.clear();
      arm();
    },
  };
}
