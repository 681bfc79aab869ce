// Where the visitor writes: Enter sends, Shift+Enter makes a line, Up in the empty field brings back what was said.
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Icon } from "../icons.tsx";
import { IconButton } from "../shell/icon-button.tsx";
import { loadExtras } from "../widget/chunks.ts";
import { useChunk, useClient, useSettings, useText, useUi, useWidget } from "../widget/context.ts";
import { composing } from "./composing.ts";

/** Whether the last question takes nothing but its options. */
function useWaitsForOption(): boolean {
  return useClient((state) => {
    const last = [...state.messages].reverse().find((message) => message.body.type !== "system");
    return last !== undefined && last.from !== "user" && (last.body.type === "choice" || last.body.type === "dropdown") && last.body.disableFreeText === true;
  });
}

export function Composer({ children }: { children?: ComponentChildren }) {
  const widget = useWidget();
  const t = useText();
  const settings = useSettings();
  const draft = useUi((ui) => ui.draft);
  const files = useUi((ui) => ui.files);
  const uploading = useUi((ui) => ui.uploading);
  const notice = useUi((ui) => ui.notice);
  const stopped = useClient((state) => state.connection.state === "stopped");
  const full = useClient((state) => state.outboxFull);
  const limit = useClient((state) => state.limits.text);
  const streaming = useClient((state) => state.messages.some((message) => message.draft === "streaming"));
  const waits = useWaitsForOption();
  const extras = useChunk(loadExtras, files.length > 0 || uploading.length > 0);
  const over = draft.length - limit;
  const closed = stopped || full || waits;
  const ready = !closed && over <= 0 && (draft.trim() !== "" || files.length > 0);

  const send = () => {
    if (!ready) return;
    const text = draft.trim();
    if (text !== "" && !widget.send(text)) return;
    const chosen = files.map((pending) => pending.file);
    for (const pending of files) if (pending.preview !== undefined) URL.revokeObjectURL(pending.preview);
    widget.ui.set({ draft: "", files: [] });
    widget.client.shared.set("draft", undefined);
    if (chosen.length > 0) void widget.sendFiles(chosen);
  };

  return (
    <div className="pt-composer" part="composer">
      <div className="pt-column">
        {streaming && (
          <div className="pt-stop">
            <button type="button" className="pt-button pt-button-quiet" onClick={() => widget.client.stop()}><Icon name="stop" />{t("stop")}</button>
          </div>
        )}
        {notice !== null && <div className="pt-notice" role="alert"><Icon name="alert" /><span>{notice}</span></div>}
        {over > 0 && <div className="pt-notice" id={`${widget.id}-over`}><Icon name="alert" /><span>{t("tooLong", { n: over })}</span></div>}
        {extras && <extras.Tray />}
        <form
          className="pt-box"
          onSubmit={(event: { preventDefault(): void }) => {
            event.preventDefault();
            send();
          }}
        >
          {settings.upload.enabled && <UploadButton disabled={closed} />}
          <ComposerInput onSend={send} disabled={closed} invalid={over > 0} />
          <ComposerButton ready={ready} />
        </form>
        {children}
      </div>
    </div>
  );
}

export function ComposerButton({ ready }: { ready: boolean }) {
  const t = useText();
  return (
    <button type="submit" className="pt-iconbutton pt-send" part="send" aria-label={t("send")} title={t("send")} disabled={!ready}>
      <Icon name="send" />
    </button>
  );
}

/** Named as React and the DOM name it; Preact sets it as the property it is. */
const HINT: object = { enterKeyHint: "send" };

export function ComposerInput({ onSend, disabled, invalid }: { onSend: () => void; disabled: boolean; invalid: boolean }) {
  const widget = useWidget();
  const t = useText();
  const settings = useSettings();
  const draft = useUi((ui) => ui.draft);
  const field = useRef<HTMLTextAreaElement>(null);
  /** How far back Up has gone; 0 = what is being written. */
  const [back, setBack] = useState(0);
  const label = settings.composerPlaceholder ?? t("placeholder", { bot: settings.botName });

  useLayoutEffect(() => {
    const box = field.current;
    if (!box || (typeof CSS !== "undefined" && CSS.supports?.("field-sizing", "content"))) return;
    box.style.setProperty("height", "auto");
    box.style.setProperty("height", `${box.scrollHeight}px`);
  }, [draft]);

  useEffect(() => {
    // What another tab has just written is not written back to it.
    const save = () => (widget.client.shared.get("draft") ?? "") !== draft && widget.client.shared.set("draft", draft === "" ? undefined : draft);
    const timer = setTimeout(save, 400);
    return () => clearTimeout(timer);
  }, [draft]);
  const write = (text: string) => {
    widget.ui.set({ draft: text, notice: null });
    widget.client.typing(text !== "");
  };

  const recall = (step: number): boolean => {
    if (!settings.persistHistory || (draft !== "" && back === 0)) return false;
    const said = widget.client.getState().messages.filter((message) => message.own && message.body.type === "text");
    const to = Math.min(Math.max(back + step, 0), said.length);
    if (to === back) return false;
    const body = said[said.length - to]?.body;
    setBack(to);
    write(to === 0 || body?.type !== "text" ? "" : body.text);
    return true;
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (composing(event)) return;
    if (event.key === "Enter" && !event.shiftKey && !event.ctrlKey && !event.altKey && !event.metaKey) {
      event.preventDefault();
      setBack(0);
      onSend();
    } else if (event.key === "ArrowUp" && (draft === "" || back > 0) && recall(1)) event.preventDefault();
    else if (event.key === "ArrowDown" && back > 0 && recall(-1)) event.preventDefault();
  };

  return (
    <textarea
      ref={field}
      className="pt-text"
      part="input"
      rows={1}
      dir="auto"
      value={draft}
      disabled={disabled}
      placeholder={label}
      aria-label={label}
      aria-invalid={invalid || undefined}
      aria-describedby={invalid ? `${widget.id}-over` : undefined}
      {...HINT}
      autoComplete="off"
      onInput={(event: { currentTarget: HTMLTextAreaElement }) => {
        setBack(0);
        write(event.currentTarget.value);
      }}
      onKeyDown={onKeyDown as never}
      onPaste={((event: ClipboardEvent) => {
        const pasted = [...(event.clipboardData?.files ?? [])];
        if (pasted.length === 0 || !settings.upload.enabled) return;
        event.preventDefault();
        void loadExtras().then((extras) => extras.addFiles(widget, pasted), () => undefined);
      }) as never}
    />
  );
}

export function UploadButton({ disabled }: { disabled: boolean }) {
  const widget = useWidget();
  const t = useText();
  const { upload } = useSettings();
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <IconButton icon="attach" label={t("attach")} disabled={disabled} onPress={() => input.current?.click()} />
      <input
        ref={input}
        type="file"
        hidden
        multiple={upload.maxFiles > 1}
        accept={upload.accept.join(",")}
        aria-label={t("attach")}
        onChange={(event: { currentTarget: HTMLInputElement }) => {
          const chosen = [...(event.currentTarget.files ?? [])];
          event.currentTarget.value = "";
          void loadExtras().then((extras) => extras.addFiles(widget, chosen), () => undefined);
        }}
      />
    </>
  );
}
