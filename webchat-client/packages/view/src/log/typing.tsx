// Three dots while somebody writes. Said aloud by the status region, not here.
import { Avatar } from "../shell/avatar.tsx";
import { useClient, useSettings, useText } from "../widget/context.ts";

/** Who is typing, as shown: the gateway says `bot`, or an agent's name. */
export function typist(by: string | undefined, botName: string): string {
  return by === undefined || by === "" || by === "bot" ? botName : by;
}

export function TypingIndicator() {
  const t = useText();
  const { botName, botAvatar } = useSettings();
  const typing = useClient((state) => state.typing);
  const name = typist(typing?.by, botName);
  return (
    <li className="pt-msg" data-from="bot" data-first="" data-new="" part="message message-bot">
      <Avatar name={name} src={name === botName ? botAvatar : undefined} small />
      <div className="pt-msg-main">
        <span className="pt-typing"><i /><i /><i /><span className="pt-sr">{t("typing", { name })}</span></span>
      </div>
    </li>
  );
}
