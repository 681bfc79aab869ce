/** `@portico/webchat`: the public names, and nothing else. */
export { createClient, getClient } from "./client.ts";
export { ClientError } from "./types.ts";
export { readBody } from "./payload.ts";
export type * from "./messages.ts";
export type * from "./frames.ts";
export type {
  AnyEvent,
  ChannelConfig,
  Client,
  ClientErrorCode,
  ClientEvents,
  ClientOptions,
  ClientState,
  Connection,
  ConversationOverview,
  HistoryState,
  Identity,
  ListMessages,
  MessagePage,
  Shared,
  StorageMode,
  Surroundings,
  Typing,
} from "./types.ts";
