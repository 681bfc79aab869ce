// A picture at its full size, in a native dialog: focus stays inside, Escape closes it and nothing else.
import { useEffect, useRef } from "preact/hooks";
import { useText, useUi, useWidget } from "../widget/context.ts";
import { IconButton } from "./icon-button.tsx";

export function Lightbox() {
  const widget = useWidget();
  const t = useText();
  const shown = useUi((ui) => ui.enlarged);
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (shown && dialog.current && !dialog.current.open) dialog.current.showModal();
  }, [shown]);
  if (!shown) return null;
  const close = () => {
    // Closed as a dialog first: that is what gives the focus back.
    dialog.current?.close();
    widget.ui.set({ enlarged: null });
  };
  return (
    <dialog
      ref={dialog}
      className="pt-lightbox"
      aria-label={shown.alt}
      onCancel={((event: Event) => {
        event.preventDefault();
        close();
      }) as never}
      onKeyDown={((event: KeyboardEvent) => event.key === "Escape" && event.stopPropagation()) as never}
      onClick={(event: { target: unknown; currentTarget: unknown }) => {
        if (event.target === event.currentTarget) close();
      }}
    >
      <img src={shown.src} alt={shown.alt} referrerPolicy="no-referrer" />
      <IconButton icon="close" label={t("close")} onPress={close} />
    </dialog>
  );
}
