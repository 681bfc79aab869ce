// How components reach the widget, and read its stores without drawing too often.
import { createContext } from "preact";
import { useContext, useEffect, useRef, useState } from "preact/hooks";
import type { ClientState } from "@portico/webchat";
import type { Settings } from "../config/settings.ts";
import type { Translate } from "../i18n/texts.ts";
import type { UiState, Widget } from "./widget.ts";

export const WidgetContext = createContext<Widget | null>(null);

/** Least time between two drawings of the client's state: a streamed answer is drawn at most 20 times a second. */
const FRAME_MS = 50;

export function useWidget(): Widget {
  const widget = useContext(WidgetContext);
  if (!widget) throw new Error("a Portico webchat component stands outside of its provider; wrap it in <PorticoProvider>");
  return widget;
}

/** Reads part of a store and draws again when that part changes. `selector` should be cheap and pure. */
export function useSelected<S, T>(source: { get(): S; subscribe(run: () => void): () => void }, selector: (state: S) => T, minMs = 0): T {
  const selected = selector(source.get());
  const [, draw] = useState(0);
  const seen = useRef({ source, selector, selected });
  seen.current = { source, selector, selected };
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let drawnAt = 0;
    const check = () => {
      timer = undefined;
      const now = seen.current;
      if (Object.is(now.selector(source.get()), now.selected)) return;
      drawnAt = Date.now();
      draw((n) => n + 1);
    };
    const told = () => {
      if (timer !== undefined) return;
      const wait = minMs - (Date.now() - drawnAt);
      if (wait <= 0) check();
      else timer = setTimeout(check, wait);
    };
    const stop = source.subscribe(told);
    // Between drawing and this effect something may have changed.
    check();
    return () => {
      stop();
      if (timer !== undefined) clearTimeout(timer);
    };
  }, [source, minMs]);
  return selected;
}

export function useUi<T>(selector: (state: UiState) => T): T {
  return useSelected(useWidget().ui, selector);
}

export function useSettings(): Settings {
  return useSelected(useWidget().look, (look) => look.settings);
}

export function useText(): Translate {
  return useSelected(useWidget().look, (look) => look.t);
}

const sources = new WeakMap<object, { get(): ClientState; subscribe(run: () => void): () => void }>();

/** Part of the client's state. */
export function useClient<T>(selector: (state: ClientState) => T): T {
  const { client } = useWidget();
  let source = sources.get(client);
  if (!source) {
    source = { get: () => client.getState(), subscribe: (run) => client.subscribe(run) };
    sources.set(client, source);
  }
  return useSelected(source, selector, FRAME_MS);
}

/** A lazily loaded part. `undefined` while it is on its way, `null` when it is gone. */
export function useChunk<T>(load: () => Promise<T>, wanted = true): T | null | undefined {
  const [part, setPart] = useState<{ value: T | null } | undefined>(undefined);
  useEffect(() => {
    if (!wanted || part) return undefined;
    let here = true;
    load().then(
      (value) => here && setPart({ value }),
      () => here && setPart({ value: null }),
    );
    return () => {
      here = false;
    };
  }, [wanted]);
  return part?.value ?? (part ? null : undefined);
}
