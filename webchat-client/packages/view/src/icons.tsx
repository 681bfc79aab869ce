// Line icons on a 24-grid, drawn with the current colour. Decoration only: buttons carry their own names.

const PATHS = {
  chat: "M4 6.5A2.5 2.5 0 0 1 6.5 4h11A2.5 2.5 0 0 1 20 6.5v7a2.5 2.5 0 0 1-2.5 2.5H11l-4.6 3.7a.6.6 0 0 1-1-.5V16A2.5 2.5 0 0 1 4 13.6zM8.5 8.7h7M8.5 11.8h4.5",
  down: "m6 9.5 6 6 6-6",
  close: "M6.5 6.5l11 11M17.5 6.5l-11 11",
  back: "M14.5 5.5 8 12l6.5 6.5",
  next: "M9.5 5.5 16 12l-6.5 6.5",
  more: "M5.9 12a.5.5 0 1 0-1 0 .5.5 0 1 0 1 0zM12.5 12a.5.5 0 1 0-1 0 .5.5 0 1 0 1 0zM19.1 12a.5.5 0 1 0-1 0 .5.5 0 1 0 1 0z",
  send: "M12 19V5.5M6 11l6-6 6 6",
  attach: "m19.5 11.7-7.4 7.4a4.9 4.9 0 0 1-6.9-6.9l7.7-7.7a3.3 3.3 0 0 1 4.6 4.6l-7.7 7.7a1.6 1.6 0 0 1-2.3-2.3l7-7",
  file: "M13.5 3.5h-6A1.5 1.5 0 0 0 6 5v14a1.5 1.5 0 0 0 1.5 1.5h9A1.5 1.5 0 0 0 18 19V8zM13.5 3.5V8H18",
  pin: "M12 20.5s6.5-5.6 6.5-10.5a6.5 6.5 0 1 0-13 0c0 4.9 6.5 10.5 6.5 10.5zM12 12.3a2.3 2.3 0 1 0 0-4.6 2.3 2.3 0 0 0 0 4.6z",
  check: "m5 12.5 4.5 4.5L19 7.5",
  checks: "m2.5 12.5 4.2 4.2 8.3-8.7M11.5 15.5l1.3 1.2 8.7-8.7",
  clock: "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16zM12 8v4.3l2.8 1.7",
  alert: "M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17zM12 8v4.7M12 16h.01",
  list: "M4 7h16M4 12h16M4 17h10",
  plus: "M12 5.5v13M5.5 12h13",
  trash: "M4.5 7h15M9.5 7V4.8h5V7M6.5 7l.8 12.5h9.4L17.5 7M10 10.5v5.5M14 10.5v5.5",
  info: "M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17zM12 11.3V16M12 8h.01",
  download: "M12 4.5v10.5M7.5 11l4.5 4.5 4.5-4.5M5 19.5h14",
  sound: "M4.5 9.5v5h3l4.5 4v-13l-4.5 4zM15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a7.8 7.8 0 0 1 0 11",
  mute: "M4.5 9.5v5h3l4.5 4v-13l-4.5 4zM16 9.8l4.5 4.5M20.5 9.8 16 14.3",
  bell: "M6 16.5V11a6 6 0 1 1 12 0v5.5l1.5 1.5h-15zM10 20.5h4",
  thumbUp: "M7.5 10.5v9H4.5v-9zM7.5 11.5l3.8-7.4a2 2 0 0 1 2.3 2.3l-.8 3.6h4.9a1.9 1.9 0 0 1 1.8 2.3l-1.3 5.7a1.9 1.9 0 0 1-1.9 1.5H7.5",
  thumbDown: "M16.5 13.5v-9h3v9zM16.5 12.5l-3.8 7.4a2 2 0 0 1-2.3-2.3l.8-3.6H6.3a1.9 1.9 0 0 1-1.8-2.3l1.3-5.7a1.9 1.9 0 0 1 1.9-1.5h8.8",
  stop: "M7.5 7.5h9v9h-9z",
  globe: "M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17zM3.7 12h16.6M12 3.5c2.3 2.3 3.4 5.2 3.4 8.5s-1.1 6.2-3.4 8.5c-2.3-2.3-3.4-5.2-3.4-8.5s1.1-6.2 3.4-8.5z",
  phone: "M6.8 4h2.6l1.5 4-2 1.5a11 11 0 0 0 5.6 5.6l1.5-2 4 1.5v2.6a2 2 0 0 1-2.2 2A15.3 15.3 0 0 1 4.8 6.2 2 2 0 0 1 6.8 4z",
  mail: "M4 7a1.5 1.5 0 0 1 1.5-1.5h13A1.5 1.5 0 0 1 20 7v10a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 4 17zM4.5 7.5 12 13l7.5-5.5",
} as const;

export type IconName = keyof typeof PATHS;
/** Icons that point along the line of text and turn with it. */
const MIRRORED: ReadonlySet<IconName> = new Set(["back", "next"]);

export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="pt-icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false" data-mirror={MIRRORED.has(name) ? "" : undefined}>
      <path d={PATHS[name]} />
    </svg>
  );
}
