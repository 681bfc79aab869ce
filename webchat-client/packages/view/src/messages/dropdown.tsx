// A native select and a button: changing it says nothing yet.
import type { DropdownBody, Message } from "@portico/webchat";
import { useState } from "preact/hooks";
import { useText, useWidget } from "../widget/context.ts";

export function Dropdown({ body, message, answer }: { body: DropdownBody; message: Message; answer: string | undefined }) {
  const widget = useWidget();
  const t = useText();
  const [value, setValue] = useState("");
  const done = answer !== undefined;
  const chosen = body.options.find((option) => option.value === (answer ?? value));
  return (
    <form className="pt-select" onSubmit={(event: { preventDefault(): void }) => {
      event.preventDefault();
      if (chosen && !done) widget.select(message, chosen);
    }}>
      <select aria-label={body.text || t("choice")} disabled={done} value={chosen?.value ?? ""} onChange={(event: { currentTarget: HTMLSelectElement }) => setValue(event.currentTarget.value)}>
        <option value="" disabled>{body.placeholder ?? t("choose")}</option>
        {body.options.map((option, i) => <option key={i} value={option.value}>{option.label}</option>)}
      </select>
      {!done && <button type="submit" className="pt-button pt-button-main" disabled={!chosen}>{t("confirm")}</button>}
    </form>
  );
}
