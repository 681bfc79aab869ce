// The lazy chunk `extras`: what most first visits never see.
export { Carousel } from "./messages/carousel.tsx";
export { Dropdown } from "./messages/dropdown.tsx";
export { FormMessage } from "./messages/form.tsx";
export { addFiles, accepted } from "./composer/files.ts";
export { Tray } from "./composer/tray.tsx";
export { StartPage } from "./shell/start-page.tsx";
export { InfoPage } from "./shell/info-page.tsx";
export { ConversationList } from "./shell/conversation-list.tsx";
export { Lightbox } from "./shell/lightbox.tsx";
export { chime } from "./sound/chime.ts";
