// Draws for a test, and takes everything away after it.
import { act, type ReactNode } from "react";
import { createRoot, type Root } from "react-dom/client";
import { afterEach } from "vitest";

const world = globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean };

/** Does something and all that React makes of it. Between two of these the chat lives as it does on a page. */
async function within(run: () => unknown): Promise<void> {
  world.IS_REACT_ACT_ENVIRONMENT = true;
  try {
    await act(async () => {
      await run();
    });
  } finally {
    world.IS_REACT_ACT_ENVIRONMENT = false;
  }
}

const open: { root: Root; box: Element }[] = [];

/** Draws, and waits for what was begun thereby. */
export async function draw(element: ReactNode): Promise<{ box: HTMLElement; again(element: ReactNode): Promise<void>; end(): Promise<void> }> {
  const box = document.createElement("div");
  document.body.append(box);
  const root = createRoot(box);
  open.push({ root, box });
  await within(() => root.render(element));
  await settle();
  return {
    box,
    again: (next) => within(() => root.render(next)),
    end: () => within(() => root.unmount()),
  };
}

/** Lets timers of up to `ms`, promises and drawings come to their end. */
export async function settle(ms = 30): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until `look` gives something. */
export async function until<T>(look: () => T | null | undefined | false, what: string): Promise<T> {
  for (let i = 0; i < 100; i++) {
    const found = look();
    if (found) return found;
    await settle(20);
  }
  throw new Error(`never came: ${what}`);
}

/** Writes into a field as a person does: React listens to the native setter. */
export async function write(field: HTMLTextAreaElement | HTMLInputElement, text: string): Promise<void> {
  await within(() => {
    const setter = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field) as object, "value")?.set;
    setter?.call(field, text);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
}

export async function enter(field: Element): Promise<void> {
  await within(() => field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true, composed: true })));
}

export async function click(element: Element): Promise<void> {
  await within(() => element.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, composed: true })));
}

afterEach(async () => {
  for (const { root, box } of open.splice(0)) {
    await within(() => root.unmount());
    box.remove();
  }
  document.body.replaceChildren();
  localStorage.clear();
});
