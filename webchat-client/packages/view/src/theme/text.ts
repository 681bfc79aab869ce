// The style sheets as text: the build inlines them, a shadow root adopts them. Two parts: what the launcher needs at
// once, and what comes with the panel.
import base from "./css/base.css";
import host from "./css/host.css";
import launcher from "./css/launcher.css";

/** For the element in the page; only inside a shadow root. */
export const hostStyle: string = host;
/** Tokens, launcher, proactive bubble. */
export const launcherStyle: string = base + launcher;
