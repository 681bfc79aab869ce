// Draws the view into the test's document and waits until its lazy parts are there.
import { createElement, render } from "preact";
import { afterEach } from "vitest";
import { DEFAULTS, type Settings } from "../src/config/settings.ts";
import { translator } from "../src/i18n/texts.ts";
import { Chat } from "../src/shell/chat.tsx";
import { loadExtras, loadMarkdown, loadPanel } from "../src/widget/chunks.ts";
import { createWidget, type Emit, type Renderer, type Widget } from "../src/widget/widget.ts";
import { fakeClient, type FakeClient } from "./fake-client.ts";

const drawn: HTMLElement[] = [];

afterEach(() => {
  for (const root of drawn.splice(0)) {
    render(null, root);
    root.remove();
  }
});

export interface Drawn {
  readonly root: HTMLElement;
  readonly widget: Widget;
  readonly client: FakeClient;
  /** Waits for timers, effects and lazy parts. */
  settle(): Promise<void>;
  find<E extends HTMLElement = HTMLElement>(selector: string): E;
  all(selector: string): HTMLElement[];
}

export async function draw(options: { client?: FakeClient; settings?: Partial<Settings>; locale?: string; open?: boolean; emit?: Emit; renderers?: Record<string, Renderer> } = {}): Promise<Drawn> {
  await Promise.all([loadPanel(), loadExtras(), loadMarkdown()]);
  const client = options.client ?? fakeClient();
  const widget = createWidget({
    client,
    settings: { ...DEFAULTS, botName: "Mira", ...options.settings },
    t: translator(options.locale ?? "en", {}),
    open: options.open ?? true,
    ...(options.emit ? { emit: options.emit } : {}),
    ...(options.renderers ? { renderers: options.renderers } : {}),
  });
  const root = document.createElement("div");
  document.body.append(root);
  drawn.push(root);
  render(createElement(Chat, { widget, mode: "float" }), root);
  const settle = () => new Promise<void>((resolve) => setTimeout(resolve, 120));
  await settle();
  await settle();
  return {
    root,
    widget,
    client,
    settle,
    find<E extends HTMLElement>(selector: string) {
      const found = root.querySelector<E>(selector);
      if (!found) throw new Error(`nothing matches ${selector} in\n${root.innerHTML.slice(0, 2000)}`);
      return found;
    },
    all: (selector) => [...root.querySelectorAll<HTMLElement>(selector)],
  };
}

export function press(target: HTMLElement, key: string, more: KeyboardEventInit = {}): KeyboardEvent {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, composed: true, ...more });
  target.dispatchEvent(event);
  return event;
}

export function type(field: HTMLTextAreaElement | HTMLInputElement, text: string): void {
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}
