// A card and its buttons. Buttons that answer the bot send a message; others open, call or copy.
import type { CardAction, CardBody, Message } from "@portico/webchat";
import { useState } from "preact/hooks";
import { LINK_REL, safeHref, safeMedia } from "../markdown/links.ts";
import { useText, useWidget } from "../widget/context.ts";

export function Card({ body, message }: { body: CardBody; message: Message }) {
  const image = safeMedia(body.image);
  const [broken, setBroken] = useState(false);
  return (
    <article className="pt-card" part="card" aria-label={body.title}>
      {image !== undefined && !broken && (
        <div className="pt-card-image">
          <img src={image} alt={body.imageAlt ?? ""} loading="lazy" decoding="async" referrerPolicy="no-referrer" onError={() => setBroken(true)} />
        </div>
      )}
      <div className="pt-card-text">
        <p className="pt-card-title" dir="auto">{body.title}</p>
        {body.subtitle !== undefined && <p className="pt-card-sub" dir="auto">{body.subtitle}</p>}
      </div>
      {body.actions.length > 0 && (
        <div className="pt-card-actions">
          {body.actions.map((action, i) => <Action key={i} action={action} message={message} />)}
        </div>
      )}
    </article>
  );
}

function Action({ action, message }: { action: CardAction; message: Message }) {
  const widget = useWidget();
  const t = useText();
  const [copied, setCopied] = useState(false);
  const look = "pt-button pt-button-quiet";
  if (action.action === "url" || action.action === "phone") {
    const href = safeHref(action.action === "phone" && !/^tel:/i.test(action.value) ? `tel:${action.value.replace(/[^\d+*#,;]/g, "")}` : action.value);
    // An address that may not be opened is no button that does nothing: it is left out.
    if (href === undefined) return null;
    return (
      <a className={look} href={href} target={action.action === "url" ? "_blank" : undefined} rel={LINK_REL} onClick={(event: { preventDefault(): void }) => {
        widget.emit("messageSelected", { id: message.id, label: action.label, value: action.value });
        if (!widget.link(href)) event.preventDefault();
      }}>
        {action.label}
        {action.action === "url" && <span className="pt-sr"> ({t("newWindow")})</span>}
      </a>
    );
  }
  if (action.action === "copy") {
    const copy = () => {
      // Clipboard access may be denied by the page's policy; then the button keeps its text.
      navigator.clipboard?.writeText(action.value).then(() => {
        setCopied(true);
        widget.announce(t("copied"));
        setTimeout(() => setCopied(false), 2000);
      }, () => undefined);
    };
    return <button type="button" className={look} onClick={copy}>{copied ? t("copied") : action.label}</button>;
  }
  return (
    <button type="button" className={look} onClick={() => widget.select(message, action.action === "say" ? { label: action.label, value: action.value, say: action.value } : { label: action.label, value: action.value })}>
      {action.label}
    </button>
  );
}
