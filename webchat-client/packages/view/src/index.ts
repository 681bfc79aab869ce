// The view's public names: what the embed and the React package build upon.
export { DEFAULTS, type PreChatSettings, type Settings } from "./config/settings.ts";
export { defined, isRecord } from "./config/read.ts";
export { resolve, type Layers, type Resolved } from "./config/resolve.ts";
export { settle, type Fault, type Settled } from "./config/settle.ts";
export { translator, directionOf, type Texts, type Translate } from "./i18n/texts.ts";
export { LOCALES, loadTexts, pick, wishes, type Locale } from "./i18n/pick.ts";
export { adopt, applyLook, themeNow } from "./theme/apply.ts";
export { hostStyle, launcherStyle } from "./theme/text.ts";
export { createStore, type Store } from "./widget/store.ts";
export { createWidget, type Emit, type Look, type Page, type Renderer, type UiState, type Widget, type WidgetOptions } from "./widget/widget.ts";
export { useClient, useSelected, useSettings, useText, useUi, useWidget, WidgetContext } from "./widget/context.ts";
export { loadExplain, setRescue } from "./widget/chunks.ts";
export { Chat, type Mode } from "./shell/chat.tsx";
