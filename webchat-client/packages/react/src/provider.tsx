// <PorticoProvider>: one chat for everything below it.
import { createContext, createElement, useContext, useEffect, useLayoutEffect, useMemo, useState, type ComponentType, type ReactElement } from "react";
import type { Client } from "@portico/webchat";
import { WidgetContext, type Renderer } from "@portico/webchat-view";
import { createSession } from "./session.ts";
import type { PorticoProviderProps, RendererProps, Renderers, WebchatConfig } from "./types.ts";

const RenderersContext = createContext<Renderers>({});

/** Where the client, the settings and what is open come from. Another channel, address or client is another chat. */
export function PorticoProvider(props: PorticoProviderProps): ReactElement {
  return <Provided key={props.client ? nameOf(props.client) : `${props.url ?? ""} ${props.channel ?? ""}`} {...props} />;
}

function Provided(props: PorticoProviderProps): ReactElement {
  const [session] = useState(() => createSession(props));
  const config = useSame(props.config ?? props.configuration);
  const renderers = props.renderers ?? NONE;
  const names = Object.keys(renderers).sort().join("\n");

  useOnPage(() => session.listen(props.onEvent));
  useOnPage(() => {
    for (const name of Object.keys(session.renderers)) delete session.renderers[name];
    for (const name of names.split("\n")) if (name !== "") session.renderers[name] = rendererOf(name);
    // Messages that are already shown are drawn again.
    const { settings } = session.widget.look.get();
    session.widget.look.set({ settings: { ...settings } });
  }, [session, names]);
  useEffect(() => session.start(), [session]);
  useEffect(() => session.configure(config), [session, config]);

  return (
    <WidgetContext.Provider value={session.widget}>
      <RenderersContext.Provider value={renderers}>{props.children}</RenderersContext.Provider>
    </WidgetContext.Provider>
  );
}

const NONE: Renderers = {};

/** The view calls renderers as functions; as an element, a renderer may use hooks and its newest closure is drawn. */
function rendererOf(name: string): Renderer {
  return ({ message, body, widget }) =>
    createElement(Rendered, {
      name,
      message,
      body,
      client: widget.client,
      send: (answer, replyTo) => widget.send(answer, replyTo),
      select: (choice) => widget.select(message, choice),
    });
}

function Rendered({ name, ...props }: RendererProps & { name: string }): ReactElement | null {
  const component = useContext(RenderersContext)[name] as ComponentType<RendererProps> | undefined;
  return component ? createElement(component, props) : null;
}

/** The same object as before while it says the same. */
function useSame(config: WebchatConfig | undefined): WebchatConfig | undefined {
  const text = JSON.stringify(config);
  // What it says is what counts, not which object it is.
  return useMemo(() => config, [text]);
}

/** A layout effect, quiet on a server. */
export const useOnPage: typeof useLayoutEffect = typeof document === "undefined" ? useEffect : useLayoutEffect;

const names = new WeakMap<Client, string>();
let count = 0;
function nameOf(client: Client): string {
  let name = names.get(client);
  if (name === undefined) names.set(client, (name = `client ${++count}`));
  return name;
}
