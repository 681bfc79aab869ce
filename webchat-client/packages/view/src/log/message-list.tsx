// The log: follows the newest message while the reader is at the end, and stays where it is otherwise.
import { Component, type ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { Icon } from "../icons.tsx";
import { Message, type MessageProps } from "../messages/message.tsx";
import { Markdown } from "../messages/markdown.tsx";
import { Avatar } from "../shell/avatar.tsx";
import { useClient, useSettings, useText, useUi, useWidget } from "../widget/context.ts";
import { answers, dayName, lines } from "./grouping.ts";
import { TypingIndicator } from "./typing.tsx";

/** Within this many pixels of the end the reader is at the end. */
const NEAR = 60;

export function MessageList() {
  const widget = useWidget();
  const t = useText();
  const messages = useClient((state) => state.messages);
  const history = useClient((state) => state.history);
  const typing = useClient((state) => state.typing);
  const open = useUi((ui) => ui.open);
  const scroller = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLOListElement>(null);
  /** What the reader has under the eyes; kept across drawings. */
  const eye = useRef({ stick: true, top: 0, height: 0, firstKey: "", lastKey: "", count: 0 });
  const [missed, setMissed] = useState<number | null>(null);
  const mountedWith = useRef<ReadonlySet<string> | null>(null);
  if (mountedWith.current === null && history.loaded) mountedWith.current = new Set(messages.map((message) => message.key));
  const conversation = useClient((state) => state.conversationId);
  const shownConversation = useRef(conversation);
  if (shownConversation.current !== conversation) {
    // Another conversation begins at its end, without its messages sailing in. The first one just got its id.
    if (shownConversation.current !== null) {
      mountedWith.current = history.loaded ? new Set(messages.map((message) => message.key)) : null;
      eye.current = { stick: true, top: 0, height: 0, firstKey: "", lastKey: "", count: 0 };
    }
    shownConversation.current = conversation;
  }
  const rows = useMemo(() => lines(messages), [messages]);
  const answered = useMemo(() => answers(messages), [messages]);

  const toEnd = () => {
    const box = scroller.current;
    if (box) box.scrollTop = box.scrollHeight;
  };

  useLayoutEffect(() => {
    const box = scroller.current;
    if (!box) return;
    const seen = eye.current;
    const firstKey = messages[0]?.key ?? "";
    const last = messages[messages.length - 1];
    const older = seen.firstKey !== "" && firstKey !== seen.firstKey && messages.some((message) => message.key === seen.firstKey);
    if (older) box.scrollTop = seen.top + (box.scrollHeight - seen.height);
    else if (last && last.key !== seen.lastKey && last.from === "user" && last.status === "sending") {
      seen.stick = true;
      setMissed(null);
    }
    if (seen.stick) toEnd();
    else if (last && last.key !== seen.lastKey && !older) {
      const fresh = Math.max(1, messages.length - seen.count);
      setMissed((before) => (before ?? 0) + fresh);
    }
    Object.assign(seen, { firstKey, lastKey: last?.key ?? "", count: messages.length, height: box.scrollHeight, top: box.scrollTop });
  }, [messages, typing]);

  // Pictures and fonts arrive later; the end stays the end.
  useEffect(() => {
    const box = scroller.current;
    const content = list.current;
    if (!box || !content || typeof ResizeObserver === "undefined") return undefined;
    const watch = new ResizeObserver(() => {
      if (eye.current.stick) toEnd();
      eye.current.height = box.scrollHeight;
    });
    watch.observe(content);
    watch.observe(box);
    return () => watch.disconnect();
  }, []);

  useEffect(() => {
    if (open && eye.current.stick) toEnd();
  }, [open]);

  const unread = useClient((state) => state.unread);
  useEffect(() => {
    const look = () => {
      if (open && unread > 0 && eye.current.stick && document.visibilityState !== "hidden") widget.client.markRead();
    };
    look();
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, [open, unread, messages, missed]);

  const onScroll = () => {
    const box = scroller.current;
    if (!box) return;
    const seen = eye.current;
    seen.stick = box.scrollHeight - box.scrollTop - box.clientHeight <= NEAR;
    seen.top = box.scrollTop;
    seen.height = box.scrollHeight;
    if (seen.stick) setMissed(null);
    else if (missed === null && box.scrollHeight - box.scrollTop - box.clientHeight > box.clientHeight) setMissed(0);
    if (box.scrollTop < 120 && history.more && !history.loading) void widget.client.loadMore().catch(() => undefined);
  };

  const now = Date.now();
  const empty = rows.length === 0 && !typing;
  return (
    <div className="pt-log" part="log">
      <div className="pt-scroll" ref={scroller} onScroll={onScroll} role="log" aria-live="off" aria-label={t("log")} tabIndex={0}>
        <ol className="pt-list" ref={list} role="list">
          {history.more && (
            <li className="pt-older">
              <button type="button" className="pt-link" disabled={history.loading} onClick={() => void widget.client.loadMore().catch(() => undefined)}>
                {history.loading ? t("loading") : t("older")}
              </button>
            </li>
          )}
          {empty && <Empty loading={history.loading && !history.loaded} />}
          {rows.map(({ message, day, first, last }, i) => (
            <Line
              key={message.key}
              day={day ? dayName(message.ts, now, t.locale, { today: t("today"), yesterday: t("yesterday") }) : undefined}
              message={message}
              first={first || day}
              last={last}
              end={i === rows.length - 1}
              fresh={mountedWith.current !== null && !mountedWith.current.has(message.key)}
              answer={message.id === undefined ? undefined : answered.get(message.id)}
            />
          ))}
          {typing && !messages.some((message) => message.draft === "streaming") && <TypingIndicator />}
        </ol>
      </div>
      {missed !== null && (
        <button type="button" className="pt-latest" data-plain={missed === 0 ? "" : undefined} aria-label={missed === 0 ? t("toLatest") : undefined} onClick={() => {
          eye.current.stick = true;
          setMissed(null);
          toEnd();
          scroller.current?.focus({ preventScroll: true });
        }}>
          <Icon name="down" />
          {missed > 0 && <span>{t("newMessages", { n: missed })}</span>}
        </button>
      )}
    </div>
  );
}

interface LineProps extends MessageProps {
  /** Name of the day that begins with this message. */
  readonly day: string | undefined;
}

/**
 * A row that looks the same is not drawn again: a message more among a thousand costs one message. A component that
 * compares, and no kept elements: those would hold on to every drawing in which they once stood.
 */
class Line extends Component<LineProps> {
  override shouldComponentUpdate(next: LineProps): boolean {
    const { day, message, first, last, end, fresh, answer } = this.props;
    return day !== next.day || message !== next.message || first !== next.first || last !== next.last || end !== next.end || fresh !== next.fresh || answer !== next.answer;
  }
  override render(): ComponentChildren {
    const { day, message, first, last, end, fresh, answer } = this.props;
    return (
      <>
        {day !== undefined && <li className="pt-day"><span>{day}</span></li>}
        <Message message={message} first={first} last={last} end={end} fresh={fresh} answer={answer} />
      </>
    );
  }
}

/** Before anything was said: a greeting, or the bot's first words. */
function Empty({ loading }: { loading: boolean }) {
  const t = useText();
  const settings = useSettings();
  if (loading) return <li className="pt-loading" aria-label={t("loading")}><i /><i /><i /></li>;
  if (settings.welcomeMessage) {
    return (
      <li className="pt-msg" data-from="bot" data-first="" data-last="" part="message message-bot">
        <Avatar name={settings.botName} src={settings.botAvatar} small />
        <div className="pt-msg-main">
          <span className="pt-sr">{t("said", { name: settings.botName })}</span>
          <div className="pt-bubble" part="bubble"><Markdown text={settings.welcomeMessage} streaming={false} /></div>
        </div>
      </li>
    );
  }
  return (
    <li className="pt-empty">
      <slot name="empty">
        <Avatar name={settings.botName} src={settings.botAvatar} />
        <h3>{t("emptyTitle")}</h3>
        <p>{t("emptyText")}</p>
      </slot>
    </li>
  );
}
