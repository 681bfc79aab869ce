// One body, by its type. A type nobody knows is its fallback or a sentence: never blank, never an error.
import type { Body, Message } from "@portico/webchat";
import { Component, type ComponentChildren } from "preact";
import { loadExtras } from "../widget/chunks.ts";
import { useChunk, useText, useWidget } from "../widget/context.ts";
import type { Renderer } from "../widget/widget.ts";
import { Card } from "./card.tsx";
import { Choices } from "./choice.tsx";
import { Markdown, Plain } from "./markdown.tsx";
import { AudioMessage, FileMessage, ImageMessage, LocationMessage, VideoMessage } from "./media.tsx";

interface BodyProps {
  readonly body: Body;
  readonly message: Message;
  /** What the visitor has answered to this message, if it asked something. */
  readonly answer: string | undefined;
}

export function BodyView(props: BodyProps) {
  const widget = useWidget();
  const { body, message } = props;
  const own = widget.renderers[body.type === "custom" ? body.name : body.type] ?? (body.type === "custom" ? widget.renderers["custom"] : undefined);
  if (own) {
    return (
      <Guard key={message.key} fallback={<Standard {...props} />}>
        <Own render={own} message={message} body={body} />
      </Guard>
    );
  }
  return <Guard key={message.key} fallback={<Unsupported />}><Standard {...props} /></Guard>;
}

/** A renderer of the page as a component of its own, so that its fault stops at the guard around it. */
function Own({ render, message, body }: { render: Renderer; message: Message; body: Body }) {
  return <>{render({ message, body, widget: useWidget() })}</>;
}

function Standard({ body, message, answer }: BodyProps) {
  switch (body.type) {
    case "text":
      return <TextBubble text={body.text} plain={body.format === "plain" || (body.format === undefined && message.from === "user")} message={message} />;
    case "image":
      return <ImageMessage body={body} />;
    case "video":
      return <VideoMessage body={body} />;
    case "audio":
      return <AudioMessage body={body} />;
    case "file":
      return <FileMessage body={body} />;
    case "location":
      return <LocationMessage body={body} />;
    case "card":
      return <Card body={body} message={message} />;
    case "choice":
      return (
        <>
          {body.text !== "" && <TextBubble text={body.text} plain={false} message={message} />}
          <Choices message={message} options={body.options} answer={answer} label={body.text} />
        </>
      );
    case "bloc":
      return <div className="pt-group">{body.items.map((item, i) => <BodyView key={i} body={item} message={message} answer={answer} />)}</div>;
    case "carousel":
    case "dropdown":
    case "form":
      return <Extra body={body} message={message} answer={answer} />;
    case "system":
      return <TextBubble text={body.text} plain message={message} />;
    case "custom":
    case "unknown":
      return body.fallback ? <TextBubble text={body.fallback} plain={false} message={message} /> : <Unsupported />;
  }
}

/** Types that live in the lazy part. While it is on its way, and if it is gone, a plainer form is shown. */
function Extra({ body, message, answer }: BodyProps) {
  const extras = useChunk(loadExtras);
  const t = useText();
  if (body.type === "carousel") {
    if (extras) return <extras.Carousel body={body} message={message} />;
    return <div className="pt-group">{body.items.slice(0, extras === null ? undefined : 1).map((item, i) => <Card key={i} body={item} message={message} />)}</div>;
  }
  if (body.type === "dropdown") {
    return (
      <>
        {body.text !== "" && <TextBubble text={body.text} plain={false} message={message} />}
        {extras ? <extras.Dropdown body={body} message={message} answer={answer} /> : <Choices message={message} options={body.options} answer={answer} label={body.text} />}
      </>
    );
  }
  if (body.type === "form") {
    if (body.values) return <FormAnswer values={body.values} />;
    if (extras) return <extras.FormMessage body={body} message={message} answer={answer} />;
    return <TextBubble text={body.text ?? body.title ?? t("form")} plain={false} message={message} />;
  }
  return null;
}

function FormAnswer({ values }: { values: Readonly<Record<string, string>> }) {
  return (
    <div className="pt-bubble" part="bubble">
      <dl className="pt-answers">
        {Object.entries(values).filter(([, value]) => value !== "").map(([name, value]) => <div key={name}><dt dir="auto">{name}</dt><dd dir="auto">{value}</dd></div>)}
      </dl>
    </div>
  );
}

/** Up to three pictures of speech and nothing else are shown large. */
const EMOJI_ONLY = /^(?:\p{Extended_Pictographic}(?:\ufe0f|\u200d\p{Extended_Pictographic}|\p{Emoji_Modifier})*\s*){1,3}$/u;

function TextBubble({ text, plain, message }: { text: string; plain: boolean; message: Message }) {
  const streaming = message.draft === "streaming";
  const emoji = !streaming && EMOJI_ONLY.test(text.trim());
  return (
    <div className={`pt-bubble${streaming ? " pt-caret" : ""}`} part="bubble" data-emoji={emoji ? "" : undefined} data-failed={message.status === "failed" ? "" : undefined}>
      {plain ? <Plain text={text} /> : <Markdown text={text} streaming={streaming} />}
    </div>
  );
}

function Unsupported() {
  const t = useText();
  return <div className="pt-bubble" part="bubble"><em>{t("unsupported")}</em></div>;
}

/** A renderer that throws takes only its own message down. */
class Guard extends Component<{ fallback: ComponentChildren; children?: ComponentChildren }, { broken: boolean }> {
  override state = { broken: false };
  static override getDerivedStateFromError(): { broken: boolean } {
    return { broken: true };
  }
  override render(): ComponentChildren {
    return this.state.broken ? this.props.fallback : this.props.children;
  }
}
