// Who is behind the chat: links to site, telephone, mail, terms, privacy.
import { Icon, type IconName } from "../icons.tsx";
import type { TextKey } from "../i18n/texts.ts";
import { LINK_REL, safeHref } from "../markdown/links.ts";
import { useSettings, useText, useWidget } from "../widget/context.ts";
import { Avatar } from "./avatar.tsx";

const ROWS: readonly (readonly ["website" | "phone" | "email" | "terms" | "privacy", IconName])[] = [
  ["website", "globe"],
  ["phone", "phone"],
  ["email", "mail"],
  ["terms", "file"],
  ["privacy", "file"],
];

export function InfoPage() {
  const widget = useWidget();
  const t = useText();
  const { botName, botAvatar, description, info } = useSettings();
  const rows = ROWS.flatMap(([key, icon]) => {
    const link = info[key];
    const href = link && safeHref(link.link);
    return link && href !== undefined ? [{ key, icon, href, title: link.title }] : [];
  });
  return (
    <div className="pt-page pt-column">
      <div className="pt-info-head">
        <Avatar name={botName} src={botAvatar} />
        <h3 dir="auto">{botName}</h3>
        {description !== undefined && <p dir="auto">{description}</p>}
      </div>
      {rows.length > 0 && (
        <ul className="pt-rows" role="list">
          {rows.map(({ key, icon, href, title }) => (
            <li key={key}>
              <a className="pt-row" href={href} target={/^https?:/i.test(href) ? "_blank" : undefined} rel={LINK_REL} onClick={(event: { preventDefault(): void }) => {
                if (!widget.link(href)) event.preventDefault();
              }}>
                <Icon name={icon} />
                <span className="pt-row-text"><span>{t(key as TextKey)}</span>{title !== t(key as TextKey) && <span className="pt-row-sub" dir="auto">{title}</span>}</span>
              </a>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
