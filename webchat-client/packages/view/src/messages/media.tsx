// Pictures, sounds, films, files, places. Boxes have their shape before the content is there, so nothing jumps.
import type { AudioBody, FileBody, ImageBody, LocationBody, VideoBody } from "@portico/webchat";
import { useEffect, useRef, useState } from "preact/hooks";
import { Icon } from "../icons.tsx";
import { LINK_REL, safeHref, safeMedia } from "../markdown/links.ts";
import { Link } from "../markdown/render.tsx";
import { useSettings, useText, useWidget } from "../widget/context.ts";
import { useRendering } from "./markdown.tsx";

/** Gives an element the shape of its content, through CSSOM. */
function useRatio(w: number | undefined, h: number | undefined) {
  const box = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    if (w && h) box.current?.style.setProperty("--ratio", `${w} / ${h}`);
  }, [w, h]);
  return box;
}

export function ImageMessage({ body }: { body: ImageBody }) {
  const widget = useWidget();
  const t = useText();
  const box = useRatio(body.w, body.h);
  const [broken, setBroken] = useState(false);
  const src = safeMedia(body.url);
  const alt = body.title ?? t("image");
  if (src === undefined || broken) return <FileRow title={body.title ?? t("image")} href={src} />;
  return (
    <figure className="pt-media">
      <button type="button" className="pt-media-open" aria-label={`${t("openImage")}: ${alt}`} onClick={() => widget.ui.set({ enlarged: { src, alt } })}>
        <span className="pt-media-box" ref={box}>
          <img src={src} alt={alt} loading="lazy" decoding="async" referrerPolicy="no-referrer" onError={() => setBroken(true)} />
        </span>
      </button>
      {body.title !== undefined && <figcaption dir="auto">{body.title}</figcaption>}
    </figure>
  );
}

export function VideoMessage({ body }: { body: VideoBody }) {
  const t = useText();
  const box = useRatio(body.w ?? 16, body.h ?? 9);
  const src = safeMedia(body.url);
  if (src === undefined) return <FileRow title={body.title ?? t("video")} href={undefined} />;
  return (
    <figure className="pt-media">
      <span className="pt-media-box" ref={box}>
        <video controls preload="metadata" playsInline src={src} poster={safeMedia(body.poster)} aria-label={body.title ?? t("video")} />
      </span>
      {body.title !== undefined && <figcaption dir="auto">{body.title}</figcaption>}
    </figure>
  );
}

export function AudioMessage({ body }: { body: AudioBody }) {
  const t = useText();
  const src = safeMedia(body.url);
  if (src === undefined) return <FileRow title={body.title ?? t("audio")} href={undefined} />;
  return (
    <figure className="pt-media pt-media-audio">
      {body.title !== undefined && <figcaption dir="auto">{body.title}</figcaption>}
      <audio controls preload="none" src={src} aria-label={body.title ?? t("audio")} />
    </figure>
  );
}

export function FileMessage({ body }: { body: FileBody }) {
  const t = useText();
  return <FileRow title={body.title ?? nameOf(body.url) ?? t("file")} href={safeMedia(body.url)} size={body.size} />;
}

function FileRow({ title, href, size }: { title: string; href: string | undefined; size?: number | undefined }) {
  const t = useText();
  const widget = useWidget();
  const inside = (
    <>
      <span className="pt-file-icon"><Icon name="file" /></span>
      <span className="pt-file-text">
        <span className="pt-file-name" dir="auto">{title}</span>
        {size !== undefined && <span className="pt-file-sub"><bdi>{formatBytes(size, t.locale)}</bdi></span>}
        {href !== undefined && <span className="pt-sr"> ({t("download", { name: "" }).trim()})</span>}
      </span>
    </>
  );
  if (href === undefined) return <div className="pt-file">{inside}</div>;
  return (
    <a className="pt-file" href={href} target="_blank" rel={LINK_REL} download={title} onClick={(event: { preventDefault(): void }) => {
      if (!widget.link(href)) event.preventDefault();
    }}>{inside}</a>
  );
}

export function LocationMessage({ body }: { body: LocationBody }) {
  const t = useText();
  const how = useRendering();
  const { mapUrl } = useSettings();
  const href = mapLink(mapUrl, body);
  const title = body.title ?? t("location");
  const sub = body.address ?? `${body.lat.toFixed(5)}, ${body.lon.toFixed(5)}`;
  return (
    <Link className="pt-file" href={href} how={how} text={title}>
      <span className="pt-file-icon"><Icon name="pin" /></span>
      <span className="pt-file-text">
        <span className="pt-file-name" dir="auto">{title}</span>
        <span className="pt-file-sub" dir="auto">{sub}</span>
        <span className="pt-sr">{t("openMap")}</span>
      </span>
    </Link>
  );
}

/** Link to a map: `osm`, `geo` (the phone's own app), or an address with `{lat}` and `{lon}`. */
export function mapLink(setting: string, place: { lat: number; lon: number; title?: string }): string {
  const { lat, lon } = place;
  const osm = `https://www.openstreetmap.org/?mlat=${lat}&mlon=${lon}#map=16/${lat}/${lon}`;
  if (setting === "geo") return `geo:${lat},${lon}?q=${lat},${lon}`;
  if (setting.includes("{lat}")) return safeHref(setting.replaceAll("{lat}", String(lat)).replaceAll("{lon}", String(lon))) ?? osm;
  return osm;
}

function nameOf(url: string): string | undefined {
  try {
    return decodeURIComponent(new URL(url, "https://x.invalid/").pathname.split("/").pop() ?? "") || undefined;
  } catch {
    return undefined;
  }
}

/** 1.5 MB, as the language writes it. */
export function formatBytes(bytes: number, locale: string): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"] as const;
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  try {
    return new Intl.NumberFormat(locale || "en", { style: "unit", unit: units[unit] ?? "byte", unitDisplay: "short", maximumFractionDigits: value < 10 && unit > 0 ? 1 : 0 }).format(value);
  } catch {
    return `${Math.round(bytes / 1000)} kB`;
  }
}
