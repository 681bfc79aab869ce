// The visitor's conversations, newest first.
import type { ConversationOverview } from "@portico/webchat";
import { useEffect, useState } from "preact/hooks";
import { Icon } from "../icons.tsx";
import { dayName } from "../log/grouping.ts";
import { summary } from "../markdown/plain.ts";
import { clock } from "../messages/message.tsx";
import { useClient, useSettings, useText, useWidget } from "../widget/context.ts";
import { IconButton } from "./icon-button.tsx";

export function ConversationList() {
  const widget = useWidget();
  const t = useText();
  const conversations = useClient((state) => state.conversations);
  const [state, setState] = useState<"loading" | "here" | "away">("loading");
  useEffect(() => {
    let here = true;
    widget.client.listConversations().then(() => here && setState("here"), () => here && setState("away"));
    return () => {
      here = false;
    };
  }, [widget]);
  const begin = () => {
    widget.client.newConversation().then(() => widget.go("chat"), () => setState("away"));
  };
  return (
    <div className="pt-page pt-column">
      <button type="button" className="pt-button pt-button-main" onClick={begin}><Icon name="plus" />{t("newConversation")}</button>
      {state === "away" && <p className="pt-error" role="alert"><Icon name="alert" />{t("reconnecting")}</p>}
      {conversations.length === 0 ? (
        <p className="pt-row-sub">{state === "loading" ? t("loading") : t("noConversations")}</p>
      ) : (
        <ul className="pt-rows" role="list">{conversations.map((one) => <Row key={one.id} conversation={one} />)}</ul>
      )}
    </div>
  );
}

function Row({ conversation }: { conversation: ConversationOverview }) {
  const widget = useWidget();
  const t = useText();
  const { deletion } = useSettings();
  const current = useClient((state) => state.conversationId === conversation.id);
  const [asking, setAsking] = useState(false);
  const now = Date.now();
  const today = dayName(conversation.updatedAt, now, t.locale, { today: "", yesterday: t("yesterday") });
  const last = conversation.last ? summary(conversation.last.body, t) : "";
  return (
    <li>
      <div className="pt-row-wrap">
        <button type="button" className="pt-row" aria-current={current ? "true" : undefined} onClick={() => {
          widget.client.switchConversation(conversation.id).then(() => widget.go("chat"), () => widget.announce(t("reconnecting")));
        }}>
          <Icon name="chat" />
          <span className="pt-row-text">
            <span dir="auto">{conversation.title ?? (last || t("untitled"))}</span>
            <span className="pt-row-sub" dir="auto">{today || clock(conversation.updatedAt, t.locale)}{conversation.title !== undefined && last !== "" ? ` · ${last}` : ""}</span>
          </span>
          {conversation.unread > 0 && <span className="pt-count"><span aria-hidden="true">{conversation.unread}</span><span className="pt-sr">{t("newMessages", { n: conversation.unread })}</span></span>}
        </button>
        {deletion && <IconButton icon="trash" label={t("deleteConversation")} onPress={() => setAsking(true)} />}
      </div>
      {asking && (
        <div className="pt-confirm" role="group" aria-label={t("deleteConversation")}>
          <p>{t("deleteSure")}</p>
          <button type="button" className="pt-button pt-button-main" onClick={() => {
            setAsking(false);
            widget.client.deleteConversation(conversation.id).catch(() => widget.announce(t("reconnecting")));
          }}>{t("deleteConversation")}</button>
          <button type="button" className="pt-button pt-button-quiet" onClick={() => setAsking(false)}>{t("cancel")}</button>
        </div>
      )}
    </li>
  );
}
