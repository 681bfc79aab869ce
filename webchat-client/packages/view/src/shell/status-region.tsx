// The one place that speaks to screen readers: each finished message once, never token by token; what was sent or
// failed; the connection, when it has been away for 3 s.
import { useEffect, useRef } from "preact/hooks";
import { summary } from "../markdown/plain.ts";
import { authorName } from "../messages/message.tsx";
import { typist } from "../log/typing.tsx";
import { useClient, useSettings, useText, useUi, useWidget } from "../widget/context.ts";

/** The connection is spoken of only after this long. */
const AWAY_MS = 3000;

export function StatusRegion() {
  const widget = useWidget();
  const t = useText();
  const { botName } = useSettings();
  const announced = useUi((ui) => ui.announce);
  const typing = useClient((state) => state.typing);
  const connection = useClient((state) => state.connection.state);
  const wasAway = useRef(false);

  useEffect(() => {
    const { client } = widget;
    const stops = [
      client.on("message", (message) => {
        const words = summary(message.body, t);
        widget.announce(message.body.type === "system" ? words : `${t("said", { name: authorName(message, botName, t("agent")) })}: ${words}`);
      }),
      client.on("messageSent", () => widget.announce(t("sent"))),
      client.on("messageFailed", ({ message }) => widget.announce(t("failedToSend", { text: summary(message.body, t) }))),
    ];
    return () => stops.forEach((stop) => stop());
  }, [widget, t, botName]);

  useEffect(() => {
    if (typing) widget.announce(t("typing", { name: typist(typing.by, botName) }));
  }, [typing !== null]);

  useEffect(() => {
    if (connection === "waiting") {
      const timer = setTimeout(() => {
        wasAway.current = true;
        widget.announce(t("reconnecting"));
      }, AWAY_MS);
      return () => clearTimeout(timer);
    }
    if (connection === "open" && wasAway.current) {
      wasAway.current = false;
      widget.announce(t("backOnline"));
    }
    return undefined;
  }, [connection]);

  return <div className="pt-sr" role="status" aria-live="polite" aria-atomic="true">{announced}</div>;
}
