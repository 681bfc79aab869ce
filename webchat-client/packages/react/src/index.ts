/** `@portico/webchat-react`: the public names, and nothing else. */
export { PorticoProvider, PorticoProvider as WebchatProvider } from "./provider.tsx";
export { Webchat } from "./webchat.tsx";
export { Composer, ComposerButton, ComposerInput, Container, ConversationList, Fab, Header, Message, MessageList, TypingIndicator, UploadButton } from "./components.tsx";
export {
  useClient, useClientEvent, useComposer, useConnection, useConversation, useConversations, useMessages, useTyping, useUnread, useUser, useWebchat,
} from "./hooks.ts";
export { createClient, getClient, ClientError } from "@portico/webchat";
export type { ComposerState, ContainerProps, MessageProps, PorticoProviderProps, RendererProps, Renderers, WebchatConfig, WebchatProps } from "./types.ts";
export type * from "@portico/webchat";
