// The conversation's window: a dialog beside the page on a desktop, the whole screen on a phone.
import { useEffect, useRef, useState } from "preact/hooks";
import { Composer } from "../composer/composer.tsx";
import { composing } from "../composer/composing.ts";
import { Icon } from "../icons.tsx";
import { MessageList } from "../log/message-list.tsx";
import { loadExtras } from "../widget/chunks.ts";
import { useChunk, useClient, useSettings, useText, useUi, useWidget } from "../widget/context.ts";
import { Banner } from "./banner.tsx";
import { Header } from "./header.tsx";
import { useBackCloses, useFocusTrap, useViewport } from "./screen.ts";

export function Panel({ floating }: { floating: boolean }) {
  const widget = useWidget();
  const t = useText();
  const settings = useSettings();
  const open = useUi((ui) => ui.open);
  const full = useUi((ui) => ui.full);
  const page = useUi((ui) => ui.page);
  const started = useUi((ui) => ui.started);
  const spoken = useClient((state) => state.messages.length > 0);
  const asks = settings.preChat !== undefined && !started && !spoken;
  const now = page === "chat" && asks ? "start" : page;
  const panel = useRef<HTMLDivElement>(null);
  const [dropping, setDropping] = useState(false);
  const extras = useChunk(loadExtras, open && now !== "chat");
  const [opened, setOpened] = useState(open);
  if (open && !opened) setOpened(true);
  const modal = floating && full;
  // The gateway's own page is nothing but the chat.
  const alone = useUi((ui) => ui.full && !ui.closable);

  useViewport(panel, open && full);
  useFocusTrap(panel, open && modal);
  useBackCloses(widget, open && modal);

  useEffect(() => {
    if (!open || !floating) return;
    // On a phone the keyboard must not jump up; the panel itself takes the focus.
    const target = full ? panel.current : (panel.current?.querySelector<HTMLElement>(".pt-text:not(:disabled)") ?? panel.current);
    target?.focus({ preventScroll: true });
  }, [open, opened]);

  // Kept after the first opening: the place in the conversation and the focus order stay.
  if (!opened) return null;
  const files = (event: DragEvent) => settings.upload.enabled && now === "chat" && [...(event.dataTransfer?.types ?? [])].includes("Files");
  return (
    <div
      ref={panel}
      id={`${widget.id}-panel`}
      className="pt-panel"
      part="panel"
      role={floating ? "dialog" : alone ? "main" : "region"}
      aria-modal={modal ? "true" : undefined}
      aria-label={t("panel", { bot: settings.botName })}
      tabIndex={-1}
      hidden={!open}
      data-full={full ? "" : undefined}
      onKeyDown={((event: KeyboardEvent) => {
        if (event.key !== "Escape" || composing(event) || !settings.closeOnEscape) return;
        event.stopPropagation();
        widget.close();
      }) as never}
      onDragOver={((event: DragEvent) => {
        if (!files(event)) return;
        event.preventDefault();
        if (!dropping) setDropping(true);
      }) as never}
      onDragLeave={((event: DragEvent) => {
        if (!panel.current?.contains(event.relatedTarget as Node | null)) setDropping(false);
      }) as never}
      onDrop={((event: DragEvent) => {
        if (!files(event)) return;
        event.preventDefault();
        setDropping(false);
        const dropped = [...(event.dataTransfer?.files ?? [])];
        void loadExtras().then((part) => part.addFiles(widget, dropped), () => undefined);
      }) as never}
    >
      <Header />
      <Banner />
      {now === "chat" ? (
        <>
          <div className="pt-log-room pt-column"><MessageList /></div>
          <Composer />
        </>
      ) : extras ? (
        now === "info" ? <extras.InfoPage /> : now === "list" ? <extras.ConversationList /> : <extras.StartPage />
      ) : (
        <div className="pt-page" aria-busy="true" />
      )}
      <slot name="footer">{settings.footer !== undefined && <p className="pt-footer" dir="auto">{settings.footer}</p>}</slot>
      {dropping && <div className="pt-drop"><Icon name="attach" />{t("dropHere")}</div>}
    </div>
  );
}
