// `ui.js`, the part that the loader fetches: one chat for one public object.
import { setRescue } from "@portico/webchat-view";
import type { Handle, PublicConfig } from "./handle.ts";
import { createInstance, type Instance } from "./instance.ts";

/** Starts the chat. On the hosted page it fills the window; in a frame it is led by the page around it. */
export async function start(handle: Handle, config: PublicConfig): Promise<void> {
  setRescue((file) => newest(handle, file));
  if (handle.options.mode === "page") {
    const origin = new URLSearchParams(location.search).get("origin");
    if (origin !== null && window.parent !== window) {
      const guest = await import("./guest.ts");
      return guest.start(handle, config, origin, createInstance);
    }
    document.title = config.name ?? document.title;
    // The page is written before anybody knows who reads it; its language is the visitor's.
    document.documentElement.lang = "";
    const instance = await createInstance(handle, config, { full: true });
    const { t } = instance.widget.look.get();
    Object.assign(document.documentElement, { lang: t.locale, dir: t.dir });
    return live(handle, config, instance);
  }
  live(handle, config, await createInstance(handle, config));
}

function live(handle: Handle, config: PublicConfig, instance: Instance): void {
  handle.ready(instance);
  handle.emit("loaded", {});
  // The gateway speaks a newer protocol: its newest release takes this one's place, once.
  instance.widget.client.once("outdated", () => {
    void replace(handle, config, instance).catch((error: unknown) => handle.failed(error));
  });
}

async function replace(handle: Handle, before: PublicConfig, instance: Instance): Promise<void> {
  const config = await fetchConfig(handle);
  const path = config?.assets?.files[config.assets.entry]?.path;
  if (!config || path === undefined || config.assets?.hash === before.assets?.hash) throw new Error("the gateway speaks a newer protocol than the webchat it serves");
  const part = (await import(`${handle.base}/webchat/assets/${path}`)) as { start: typeof start };
  instance.call("destroy", []);
  await part.start(handle, config);
}

async function fetchConfig(handle: Handle): Promise<PublicConfig | undefined> {
  const answer = await fetch(`${handle.base}/webchat/v1/channels/${encodeURIComponent(handle.channel)}/config`, { credentials: "omit" });
  return answer.ok ? ((await answer.json()) as PublicConfig) : undefined;
}

/** Address of a file in the gateway's newest release: for a page that was open while the gateway was upgraded. */
async function newest(handle: Handle, file: string): Promise<string | undefined> {
  const config = await fetchConfig(handle);
  const path = config?.assets?.files[file]?.path;
  return path === undefined ? undefined : `${handle.base}/webchat/assets/${path}`;
}
