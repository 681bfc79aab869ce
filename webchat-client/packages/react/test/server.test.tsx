// @vitest-environment node
// On a server nothing is touched that only a page has, and the page's first drawing is the server's.
import { expect, test } from "vitest";
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import * as ours from "../src/index.ts";

test("everything draws on a server without a document", () => {
  expect(typeof document).toBe("undefined");
  const { PorticoProvider, Webchat, Container, Fab, Header, MessageList, Composer, ComposerInput, ConversationList } = ours;
  function Hooks() {
    const values = [ours.useConversation().id, ours.useMessages().messages, ours.useComposer().text, ours.useConnection().state, ours.useUser().user, ours.useConversations().conversations, ours.useTyping(), ours.useUnread(), ours.useWebchat().isOpen];
    return createElement("output", null, JSON.stringify(values));
  }
  const html = renderToString(
    createElement(PorticoProvider, { channel: "site", url: "https://gateway.test" },
      ...[Webchat, Fab, Header, MessageList, Composer, ComposerInput, ConversationList].map((part, key) => createElement(part as React.ComponentType, { key })),
      createElement(Container, { key: "c", className: "room" }),
      createElement(Hooks, { key: "h" })),
  );
  expect(html).toBe('<div class="room" hidden=""></div><output>[null,[],&quot;&quot;,&quot;idle&quot;,null,[],null,0,false]</output>');
});
