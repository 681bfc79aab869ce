// Options as buttons. Once answered the choice stays, and says which it was.
import type { ChoiceOption, Message } from "@portico/webchat";
import { useText, useWidget } from "../widget/context.ts";

export function Choices({ message, options, answer, label }: { message: Message; options: readonly ChoiceOption[]; answer: string | undefined; label: string }) {
  const widget = useWidget();
  const t = useText();
  const done = answer !== undefined;
  return (
    <div className="pt-choices" role="group" aria-label={label || t("choice")}>
      {options.map((option, i) => (
        <button
          key={i}
          type="button"
          className="pt-choice"
          part="choice"
          dir="auto"
          aria-pressed={done ? option.value === answer : undefined}
          aria-disabled={done || undefined}
          onClick={() => {
            if (!done) widget.select(message, option);
          }}
        >
          {option.label}
        </button>
      ))}
    </div>
  );
}
