// What is asked before the first message. The answers become the visitor's profile.
import { useText, useSettings, useWidget } from "../widget/context.ts";
import { Form, type Values } from "../messages/form.tsx";

/** Fields that are part of every profile; others go into its data. */
const PROFILE = new Set(["name", "email", "phone"]);

export function StartPage() {
  const widget = useWidget();
  const t = useText();
  const { preChat } = useSettings();
  if (!preChat) return null;
  const start = (values: Values) => {
    const entries = Object.entries(values).filter(([, value]) => value.trim() !== "");
    const profile = Object.fromEntries(entries.filter(([name]) => PROFILE.has(name)));
    const data = Object.fromEntries(entries.filter(([name]) => !PROFILE.has(name)));
    // Queued by the client until the gateway has it; the chat need not wait.
    widget.client.updateUser({ ...profile, ...(Object.keys(data).length > 0 ? { data } : {}) }).catch(() => undefined);
    widget.client.shared.set("started", true);
    widget.ui.set({ started: true, page: "chat" });
  };
  return (
    <div className="pt-page pt-column">
      <h3 dir="auto">{preChat.title ?? t("startTitle")}</h3>
      {preChat.text !== undefined && <p dir="auto">{preChat.text}</p>}
      <Form id={`${widget.id}-start`} fields={preChat.fields} submit={preChat.submit ?? t("start")} onSubmit={start} />
    </div>
  );
}
