// The parts of the chat, to be arranged by the page. Each brings the root it needs when it stands alone.
import { useEffect, useMemo, type ReactElement, type ReactNode } from "react";
import { useClient, useSettings, useText, useUi, useWidget } from "@portico/webchat-view";
import { answers } from "@portico/webchat-view/log/grouping.ts";
import * as view from "@portico/webchat-view/parts.ts";
import { useChunk } from "@portico/webchat-view/widget/context.ts";
import { Framed } from "./frame.tsx";
import { useComposer } from "./hooks.ts";
import type { ContainerProps, MessageProps } from "./types.ts";

/** The round button in the corner; opens and closes. */
export function Fab(): ReactElement {
  return <Framed mode="float"><view.Launcher /></Framed>;
}

/** The panel, in the flow of the page: fills its parent, which needs a height. */
export function Container({ closable = false, className, children }: ContainerProps): ReactElement | null {
  const widget = useWidget();
  const open = useUi((ui) => ui.open);
  useEffect(() => {
    widget.ui.set({ closable });
    if (closable) return undefined;
    widget.open();
    return () => {
      widget.ui.set({ closable: true });
      widget.close();
    };
  }, [widget, closable]);
  // Chime, title and notifications, as long as there is something to come back to.
  useEffect(() => view.callBack(widget), [widget]);
  return (
    <div className={className} hidden={!open}>
      <Framed>
        {children === undefined ? <view.Panel floating={false} /> : <Box>{children}</Box>}
        <view.StatusRegion />
        <Overlay />
      </Framed>
    </div>
  );
}

/** The panel's box around content of the page's choice. */
function Box({ children }: { children: ReactNode }): ReactElement {
  const t = useText();
  const { botName } = useSettings();
  return <div className="pt-panel" part="panel" role="region" aria-label={t("panel", { bot: botName })} tabIndex={-1}>{children}</div>;
}

/** A picture at its full size. */
function Overlay(): ReactElement | null {
  const enlarged = useUi((ui) => ui.enlarged);
  const extras = useChunk(view.loadExtras, enlarged !== null);
  return extras ? <extras.Lightbox /> : null;
}

/** Name, picture, menu, close button; below it, the state of the connection when it is away. */
export function Header(): ReactElement {
  return <Framed><view.Header /><view.Banner /></Framed>;
}

/** The conversation: scrolls, follows, loads older messages, marks as read. */
export function MessageList(): ReactElement {
  return <Framed><div className="pt-log-room pt-column"><view.MessageList /></div></Framed>;
}

/** One message, as a list item: for an `<ol>` of the page's own. */
export function Message({ message, first = true, last = true, end = false }: MessageProps): ReactElement {
  const messages = useClient((state) => state.messages);
  const answered = useMemo(() => answers(messages), [messages]);
  return <Framed><view.Message message={message} first={first} last={last} end={end} fresh={false} answer={message.id === undefined ? undefined : answered.get(message.id)} /></Framed>;
}

/** Three dots while somebody writes, as a list item; nothing otherwise. */
export function TypingIndicator(): ReactElement | null {
  const typing = useClient((state) => state.typing);
  return typing ? <Framed><view.TypingIndicator /></Framed> : null;
}

/** Field, upload, tray, send button, and what is wrong. `children` stand below the field. */
export function Composer({ children }: { readonly children?: ReactNode }): ReactElement {
  return <Framed><view.Composer>{children}</view.Composer></Framed>;
}

/** The field alone, for a composer of the page's own: Enter sends, Up brings back. */
export function ComposerInput(): ReactElement {
  const { send, disabled, over } = useComposer();
  return <Framed><view.ComposerInput onSend={() => void send()} disabled={disabled} invalid={over > 0} /></Framed>;
}

/** The send button alone: the submit button of the `<form>` it stands in. */
export function ComposerButton(): ReactElement {
  const { ready } = useComposer();
  return <Framed><view.ComposerButton ready={ready} /></Framed>;
}

/** Chooses files; nothing where the channel takes none. */
export function UploadButton(): ReactElement | null {
  const { disabled } = useComposer();
  const { upload } = useSettings();
  return upload.enabled ? <Framed><view.UploadButton disabled={disabled} /></Framed> : null;
}

/** The visitor's conversations: open, begin, delete. */
export function ConversationList(): ReactElement {
  return <Framed><view.ConversationList /></Framed>;
}
