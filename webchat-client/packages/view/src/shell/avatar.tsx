// A face, or the first letter of a name.
import { useState } from "preact/hooks";
import { safeMedia } from "../markdown/links.ts";

export function Avatar({ name, src, small }: { name: string; src?: string | undefined; small?: boolean }) {
  const [broken, setBroken] = useState(false);
  const address = safeMedia(src);
  const letter = [...name.trim()][0]?.toLocaleUpperCase() ?? "";
  return (
    <span className="pt-avatar" data-small={small ? "" : undefined} aria-hidden="true">
      {address !== undefined && !broken ? <img src={address} alt="" decoding="async" referrerPolicy="no-referrer" onError={() => setBroken(true)} /> : letter}
    </span>
  );
}
