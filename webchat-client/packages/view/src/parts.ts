// Single parts of the view, for those who put a chat together themselves: the React package. The embed does not use
// this file, so that it fetches the panel late.
export { panelStyle } from "./theme/panel-text.ts";
export { Launcher } from "./shell/launcher.tsx";
export { Panel } from "./shell/panel.tsx";
export { Header } from "./shell/header.tsx";
export { Banner } from "./shell/banner.tsx";
export { StatusRegion } from "./shell/status-region.tsx";
export { Proactive } from "./shell/proactive.tsx";
export { MessageList } from "./log/message-list.tsx";
export { TypingIndicator } from "./log/typing.tsx";
export { Message } from "./messages/message.tsx";
export { Composer, ComposerButton, ComposerInput, UploadButton } from "./composer/composer.tsx";
export { ConversationList } from "./shell/conversation-list.tsx";
export { loadExtras, loadMarkdown } from "./widget/chunks.ts";
export { callBack } from "./widget/attention.ts";
export { summary } from "./markdown/plain.ts";
