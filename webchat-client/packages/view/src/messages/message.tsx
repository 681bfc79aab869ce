// One line of the conversation: who, what, and how far it has come.
import type { Message as Row } from "@portico/webchat";
import { Icon, type IconName } from "../icons.tsx";
import { summary } from "../markdown/plain.ts";
import { Avatar } from "../shell/avatar.tsx";
import { useSettings, useText, useUi, useWidget } from "../widget/context.ts";
import { BodyView } from "./body.tsx";

export interface MessageProps {
  readonly message: Row;
  /** First and last of a run of messages by the same hand. */
  readonly first: boolean;
  readonly last: boolean;
  /** The very last of the conversation. */
  readonly end: boolean;
  /** Came while the visitor was looking. */
  readonly fresh: boolean;
  readonly answer: string | undefined;
}

/** Name shown for whoever wrote a message. */
export function authorName(message: Row, botName: string, agent: string): string {
  return message.author?.name ?? (message.from === "agent" ? agent : botName);
}

export function Message({ message, first, last, end, fresh, answer }: MessageProps) {
  const t = useText();
  const settings = useSettings();
  if (message.body.type === "system" || message.from === "system") {
    return (
      <li className="pt-system" part="message" data-key={message.key}>
        <span dir="auto">{summary(message.body, t)}</span>
      </li>
    );
  }
  const mine = message.from === "user";
  const name = authorName(message, settings.botName, t("agent"));
  return (
    <li
      className="pt-msg"
      part={mine ? "message message-user" : "message message-bot"}
      data-from={mine ? "user" : message.from}
      data-first={first ? "" : undefined}
      data-last={last ? "" : undefined}
      data-end={end ? "" : undefined}
      data-new={fresh ? "" : undefined}
      data-key={message.key}
    >
      {!mine && last && <Avatar name={name} src={message.author?.avatar ?? (message.from === "bot" ? settings.botAvatar : undefined)} small />}
      <div className="pt-msg-main">
        <span className="pt-sr">{mine ? t("yousaid") : t("said", { name })}</span>
        {!mine && first && message.author?.name !== undefined && message.author.name !== settings.botName && <span className="pt-name" aria-hidden="true" dir="auto">{name}</span>}
        <BodyView body={message.body} message={message} answer={answer} />
      </div>
      <Note message={message} mine={mine} last={last} end={end} />
    </li>
  );
}

/** The small line below: time, state of an own message, thumbs, what went wrong. */
function Note({ message, mine, last, end }: { message: Row; mine: boolean; last: boolean; end: boolean }) {
  const widget = useWidget();
  const t = useText();
  const { timestamps, feedback } = useSettings();
  const failed = message.status === "failed";
  const interrupted = message.draft === "interrupted";
  const thumbs = feedback === "thumbs" && message.from === "bot" && message.id !== undefined && message.draft === undefined && last;
  const state = mine && (end || message.status === "sending") ? message.status : undefined;
  const time = timestamps !== "never" && last && message.draft === undefined && !failed;
  if (!failed && !interrupted && !thumbs && !state && !time) return null;
  if (failed) {
    const id = message.cid ?? message.id ?? "";
    return (
      <div className="pt-note" data-failed="" part="status">
        <span className="pt-status"><Icon name="alert" />{t("failed")}</span>
        <button type="button" className="pt-link" onClick={() => widget.client.retry(id)}>{t("retry")}</button>
      </div>
    );
  }
  return (
    <div className="pt-note" part="status" data-quiet={interrupted || thumbs || state ? undefined : ""}>
      {interrupted && <span>{t("interrupted")}</span>}
      {time && <time className="pt-time" dateTime={new Date(message.ts).toISOString()}>{clock(message.ts, t.locale)}</time>}
      {state && <Status status={state} />}
      {thumbs && <Thumbs id={message.id ?? ""} />}
    </div>
  );
}

const STATUS_ICON: Readonly<Record<string, IconName>> = { sending: "clock", sent: "check", delivered: "checks", read: "checks" };

function Status({ status }: { status: NonNullable<Row["status"]> }) {
  const t = useText();
  return (
    <span className="pt-status" data-status={status}>
      <Icon name={STATUS_ICON[status] ?? "clock"} />
      <span>{t(status)}</span>
    </span>
  );
}

function Thumbs({ id }: { id: string }) {
  const widget = useWidget();
  const t = useText();
  const given = useUi((ui) => ui.thumbs[id]);
  const give = (value: "positive" | "negative") => {
    const thumbs = { ...widget.ui.get().thumbs };
    if (given === value) delete thumbs[id];
    else thumbs[id] = value;
    widget.ui.set({ thumbs });
    widget.emit("feedback", { id, value: thumbs[id] ?? null });
    widget.client.feedback(id, thumbs[id] ?? null).then(
      () => thumbs[id] && widget.announce(t("thanks")),
      () => undefined,
    );
  };
  return (
    <span className="pt-thumbs">
      <button type="button" aria-pressed={given === "positive"} aria-label={t("helpful")} title={t("helpful")} onClick={() => give("positive")}><Icon name="thumbUp" /></button>
      <button type="button" aria-pressed={given === "negative"} aria-label={t("notHelpful")} title={t("notHelpful")} onClick={() => give("negative")}><Icon name="thumbDown" /></button>
    </span>
  );
}

/** Time of day, as the language writes it. */
export function clock(ms: number, locale: string): string {
  return new Intl.DateTimeFormat(locale || "en", { hour: "numeric", minute: "2-digit" }).format(ms);
}
