// The line under the header while the connection is away. A short break is nobody's concern.
import { useEffect, useState } from "preact/hooks";
import { Icon } from "../icons.tsx";
import { useClient, useText } from "../widget/context.ts";

const AWAY_MS = 3000;
/** Close codes after which trying again makes no sense. */
const REFUSED = new Set([4403, 4404]);

export function Banner() {
  const t = useText();
  const connection = useClient((state) => state.connection);
  const full = useClient((state) => state.outboxFull);
  const away = connection.state === "waiting" || (connection.state === "connecting" && connection.attempt > 0);
  const [late, setLate] = useState(false);
  useEffect(() => {
    if (!away) {
      setLate(false);
      return undefined;
    }
    const timer = setTimeout(() => setLate(true), AWAY_MS);
    return () => clearTimeout(timer);
  }, [away]);
  if (connection.state === "stopped") {
    return <div className="pt-banner" data-kind="bad"><Icon name="alert" /><span>{t(REFUSED.has(connection.code ?? 0) ? "refused" : "closedForever")}</span></div>;
  }
  if (full) return <div className="pt-banner" data-kind="bad"><Icon name="alert" /><span>{t("full")}</span></div>;
  if (!late) return null;
  const offline = typeof navigator !== "undefined" && navigator.onLine === false;
  return <div className="pt-banner"><span className="pt-spin" aria-hidden="true" /><span>{t(offline ? "offline" : "reconnecting")}</span></div>;
}
