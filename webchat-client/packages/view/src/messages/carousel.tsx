// Cards side by side: swipe, buttons, arrow keys; says which one of how many.
import type { CarouselBody, Message } from "@portico/webchat";
import { useRef, useState } from "preact/hooks";
import { Icon } from "../icons.tsx";
import { useText } from "../widget/context.ts";
import { Card } from "./card.tsx";

export function Carousel({ body, message }: { body: CarouselBody; message: Message }) {
  const t = useText();
  const list = useRef<HTMLUListElement>(null);
  const [at, setAt] = useState(0);
  const count = body.items.length;
  const go = (to: number) => {
    const next = Math.min(Math.max(to, 0), count - 1);
    setAt(next);
    const slide = list.current?.children[next];
    // `scrollIntoView` would scroll the page around the chat too.
    if (slide instanceof HTMLElement && list.current) {
      const first = list.current.children[0] as HTMLElement;
      list.current.scrollTo?.({ left: slide.offsetLeft - first.offsetLeft });
    }
  };
  const onScroll = () => {
    const box = list.current;
    const first = box?.children[0];
    if (!box || !(first instanceof HTMLElement) || first.offsetWidth === 0) return;
    const end = Math.abs(box.scrollLeft) + box.clientWidth >= box.scrollWidth - 4;
    setAt(end ? count - 1 : Math.round(Math.abs(box.scrollLeft) / (first.offsetWidth + 12)));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const forward = t.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
    const backward = t.dir === "rtl" ? "ArrowRight" : "ArrowLeft";
    const to = event.key === forward ? at + 1 : event.key === backward ? at - 1 : event.key === "Home" ? 0 : event.key === "End" ? count - 1 : undefined;
    if (to === undefined) return;
    event.preventDefault();
    go(to);
  };
  if (count === 1 && body.items[0]) return <Card body={body.items[0]} message={message} />;
  return (
    <section className="pt-carousel" aria-roledescription={t("carousel")} aria-label={t("carousel")} onKeyDown={onKeyDown as never}>
      <ul className="pt-slides" ref={list} role="list" tabIndex={0} onScroll={onScroll} aria-label={t("carousel")}>
        {body.items.map((card, i) => (
          <li key={i} role="listitem" aria-label={t("position", { n: i + 1, m: count })}>
            <Card body={card} message={message} />
          </li>
        ))}
      </ul>
      <div className="pt-slides-bar">
        <button type="button" className="pt-iconbutton" aria-label={t("previous")} aria-disabled={at === 0 || undefined} onClick={() => go(at - 1)}><Icon name="back" /></button>
        <span>{t("position", { n: Math.min(at, count - 1) + 1, m: count })}</span>
        <button type="button" className="pt-iconbutton" aria-label={t("next")} aria-disabled={at >= count - 1 || undefined} onClick={() => go(at + 1)}><Icon name="next" /></button>
      </div>
    </section>
  );
}
