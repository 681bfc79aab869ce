// The lazy chunk `panel`: fetched when the launcher stands and the page is idle, or when somebody opens the chat first.
export { Panel } from "./shell/panel.tsx";
export { StatusRegion } from "./shell/status-region.tsx";
export { panelStyle } from "./theme/panel-text.ts";
export { callBack } from "./widget/attention.ts";
