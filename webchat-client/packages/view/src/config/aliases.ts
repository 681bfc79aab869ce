// The seed's names for configuration keys, brought to ours. Ours win where both are given.
import { isRecord } from "./read.ts";

/** Old name → new name, where only the name differs. */
export const RENAMED: Readonly<Record<string, string>> = {
  avatarUrl: "botAvatar",
  fabImage: "launcherImage",
  coverPictureUrl: "coverImage",
  botConversationDescription: "description",
  botDescription: "description",
  stylesheet: "css",
  style: "css",
  themeColor: "accent",
  color: "accent",
  layoutWidth: "width",
  containerWidth: "width",
  showCloseButton: "showClose",
  showTimestamp: "timestamps",
  showConversationsButton: "conversationList",
  enableTranscriptDownload: "transcript",
  enableConversationDeletion: "deletion",
  enablePersistHistory: "persistHistory",
  showBotInfoPage: "showInfo",
  userData: "data",
  customUser: "user",
  themeMode: "theme",
  fontFamily: "font",
  additionalStylesheet: "css",
  clientId: "channel",
};

/** Old name → new name, with the opposite sense. */
export const INVERTED: Readonly<Record<string, string>> = {
  hideWidget: "launcher",
  disableAnimations: "animations",
  disableNotificationSound: "sound",
};

/** Old flat names of the info page → its entries. */
export const INFO: Readonly<Record<string, string>> = {
  website: "website",
  phoneNumber: "phone",
  phone: "phone",
  emailAddress: "email",
  email: "email",
  termsConditions: "terms",
  termsOfService: "terms",
  privacyPolicy: "privacy",
};

/** Names that are understood and cannot be followed. */
export const REFUSED: readonly string[] = ["googleMapsAPIKey", "additionalStylesheetUrl", "stylesheetUrl"];

/**
 * A configuration in our names. Old names are read as their new ones, `useSessionStorage` becomes `storage`,
 * flat links become `info`. `refused` is called with each name that cannot be followed.
 */
export function renamed(config: Readonly<Record<string, unknown>>, refused: (key: string) => void): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  const info: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(config)) {
    if (value === undefined || value === null) continue;
    const target = own(RENAMED, key);
    const opposite = own(INVERTED, key);
    const link = own(INFO, key);
    if (REFUSED.includes(key)) refused(key);
    else if (key === "useSessionStorage") out["storage"] ??= value === true || value === "true" ? "session" : "local";
    else if (target !== undefined) out[target] ??= value;
    else if (opposite !== undefined) out[opposite] ??= !(value === true || value === "true");
    else if (link !== undefined) info[link] = value;
    else if (key !== "info") out[key] = value;
  }
  const given = config["info"];
  if (isRecord(given)) Object.assign(info, given);
  if (Object.keys(info).length > 0) out["info"] = info;
  return out;
}

function own(map: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.prototype.hasOwnProperty.call(map, key) ? map[key] : undefined;
}
