// What the widget can be told (webchat.md section 5): one typed record with its defaults.
import type { FormField } from "@portico/webchat";

/** A link of the info page, in one form after reading: shown text and address. */
export interface InfoLink {
  readonly title: string;
  readonly link: string;
}

export interface UploadSettings {
  readonly enabled: boolean;
  /** Largest file, in bytes. The gateway's limit is the last word. */
  readonly maxBytes: number;
  /** MIME types and patterns (`image/*`), as in the `accept` attribute. */
  readonly accept: readonly string[];
  readonly maxFiles: number;
}

export interface ProactiveSettings {
  readonly text: string;
  readonly delayMs: number;
  readonly when: "delay" | "idle" | "exit";
  /** Shown once per visitor and storage. */
  readonly once: boolean;
}

export interface PreChatSettings {
  readonly title?: string;
  readonly text?: string;
  readonly fields: readonly FormField[];
  readonly submit?: string;
}

/** Everything the view reads. Keys, defaults and names are those of webchat.md section 5. */
export interface Settings {
  readonly botName: string;
  readonly botAvatar?: string;
  readonly launcherImage?: string;
  readonly coverImage?: string;
  readonly description?: string;
  readonly composerPlaceholder?: string;
  readonly locale: string;
  readonly theme: "light" | "dark" | "auto";
  readonly accent: string;
  readonly radius: string;
  readonly font?: string;
  readonly css?: string;
  readonly position: Position;
  readonly offset: string;
  readonly zIndex: number;
  readonly width: string;
  readonly height: string;
  readonly launcher: boolean;
  readonly showClose: boolean;
  readonly closeOnEscape: boolean;
  readonly animations: boolean;
  readonly timestamps: "always" | "hover" | "never";
  readonly conversationList: boolean;
  readonly transcript: boolean;
  readonly deletion: boolean;
  readonly storage: "local" | "session" | "none";
  readonly persistHistory: boolean;
  readonly sound: boolean;
  readonly desktopNotifications: boolean;
  readonly info: {
    readonly website?: InfoLink;
    readonly phone?: InfoLink;
    readonly email?: InfoLink;
    readonly terms?: InfoLink;
    readonly privacy?: InfoLink;
  };
  readonly showInfo: boolean;
  readonly upload: UploadSettings;
  readonly html: boolean;
  readonly imageHosts: readonly string[];
  readonly mapUrl: string;
  readonly feedback: "off" | "thumbs";
  readonly proactive?: ProactiveSettings;
  /** Asked for before the first message. */
  readonly preChat?: PreChatSettings;
  /** Shown as the bot's first words in an empty conversation; never stored. */
  readonly welcomeMessage?: string;
  readonly connect: "auto" | "load" | "open";
  readonly user?: Readonly<Record<string, string>>;
  readonly data?: Readonly<Record<string, string>>;
  readonly footer?: string;
  readonly className?: string;
  readonly strings: Readonly<Record<string, unknown>>;
}

export type Position = "end-bottom" | "start-bottom" | "end-top" | "start-top";

/** What a key holds until somebody says otherwise. */
export const DEFAULTS: Settings = {
  botName: "Chat",
  locale: "auto",
  theme: "auto",
  accent: "#2457d6",
  radius: "16px",
  position: "end-bottom",
  offset: "20px",
  zIndex: 2147483000,
  width: "380px",
  height: "640px",
  launcher: true,
  showClose: true,
  closeOnEscape: true,
  animations: true,
  timestamps: "hover",
  conversationList: true,
  transcript: true,
  deletion: false,
  storage: "local",
  persistHistory: true,
  sound: true,
  desktopNotifications: false,
  info: {},
  showInfo: false,
  upload: {
    enabled: true,
    maxBytes: 20 * 1024 * 1024,
    accept: ["image/*", "application/pdf", "text/plain", "text/csv", "audio/*", "video/*"],
    maxFiles: 5,
  },
  html: false,
  imageHosts: [],
  mapUrl: "osm",
  feedback: "off",
  connect: "auto",
  strings: {},
};

export type SettingKey = keyof Settings;
