/** Frames that come in on an open link, each to whom it concerns; gaps are asked for (rule 4 of the wire). */
import type { Drafts } from "./drafts.ts";
import type { AckFrame, ServerFrame } from "./frames.ts";
import type { History } from "./history.ts";
import type { Items } from "./items.ts";
import type { Sending } from "./sending.ts";
import { isObject, textOf } from "./shape.ts";
import type { Core } from "./state.ts";
import type { TypingSigns } from "./typing.ts";

const SYNC_FIRST_MS = 1000;
const SYNC_NEXT_MS = 5000;
const SEEN_MS = 1000;

export interface Receiving {
  take(frame: ServerFrame): void;
  /** Receipt of an ack's place. */
  receive(frame: AckFrame): void;
  /** The link is gone: a resume brings what is missing. */
  lost(): void;
  stop(): void;
}

export function createReceiving(
  { world, state, emitter, link, resume }: Core,
  to: {
    items: Items;
    drafts: Drafts;
    typing: TypingSigns;
    history: History;
    sending: Sending;
    activate(conv: string): void;
  },
): Receiving {
  const { items, drafts, typing, history, sending } = to;
  let syncTimer: unknown;
  let seenTimer: unknown;

  const sync = (): void => {
    if (syncTimer !== undefined) return;
    const ask = (): void => {
      syncTimer = undefined;
      const cur = Object.fromEntries(Object.entries(resume.all()).filter(([conv]) => resume.gap(conv)));
      if (Object.keys(cur).length && link.send({ t: "sync", cur })) syncTimer = world.setTimeout(ask, SYNC_NEXT_MS);
    };
    syncTimer = world.setTimeout(ask, SYNC_FIRST_MS);
  };
  const receive = (frame: AckFrame): void => {
    if (!frame.conv || !frame.seq) return;
    for (const item of resume.receive(frame.conv, frame.seq, null)) items.apply(item);
    if (resume.gap(frame.conv)) sync();
  };
  const seen = (conv: string): void => {
    if (seenTimer !== undefined) return;
    seenTimer = world.setTimeout(() => {
      seenTimer = undefined;
      const seq = resume.get(conv);
      if (seq) link.send({ t: "seen", conv, seq });
    }, SEEN_MS);
  };

  const take = (frame: ServerFrame): void => {
    switch (frame.t) {
      case "ev":
        if (state().conversationId === null) {
          to.activate(frame.conv);
          items.read(frame.conv, frame.seq - 1);
          void history.load().catch(() => undefined);
        }
        for (const item of resume.receive(frame.conv, frame.seq, frame)) items.apply(item);
        if (resume.gap(frame.conv)) sync();
        if (frame.kind === "msg") seen(frame.conv);
        return;
      case "ack":
        return sending.ack(frame);
      case "nack":
        return sending.nack(frame);
      case "delta":
        return drafts.delta(frame);
      case "typing":
        if (frame.conv === state().conversationId) typing.shown(frame.on, frame.by);
        return;
      case "reset": {
        const after = resume.get(frame.conv) ?? frame.from - 1;
        resume.set(frame.conv, frame.from - 1);
        if (frame.conv === state().conversationId)
          void history.load({ after, from: frame.from }).catch(() => undefined);
        return;
      }
      case "cmd":
        if (frame.name !== "custom") return emitter.emit("command", { name: frame.name, data: frame.data });
        if (isObject(frame.data))
          emitter.emit("customEvent", { name: textOf(frame.data.name) ?? "", data: frame.data.data });
    }
  };

  const lost = (): void => {
    world.clearTimeout(syncTimer);
    syncTimer = undefined;
  };
  return {
    take,
    receive,
    lost,
    stop() {
      lost();
      world.clearTimeout(seenTimer);
    },
  };
}
