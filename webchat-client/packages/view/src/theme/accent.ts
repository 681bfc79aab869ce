// The accent of a site made readable: text upon it, and itself as text upon the background.

type Rgb = readonly [number, number, number];

/** A colour as red, green, blue of 0 to 255; `undefined` if it cannot be read here. */
export function parseColor(text: string): Rgb | undefined {
  const hex = /^#([\da-f]{3,8})$/i.exec(text.trim())?.[1];
  if (hex !== undefined) {
    const full = hex.length < 6 ? [...hex].map((digit) => digit + digit).join("") : hex;
    const [r, g, b] = [0, 2, 4].map((at) => Number.parseInt(full.slice(at, at + 2), 16));
    return r === undefined || g === undefined || b === undefined || Number.isNaN(r + g + b) ? undefined : [r, g, b];
  }
  const parts = /^rgba?\(\s*(\d+)[\s,]+(\d+)[\s,]+(\d+)/i.exec(text.trim());
  if (parts) return [Number(parts[1]), Number(parts[2]), Number(parts[3])];
  return painted(text);
}

/** Every other notation: let the browser paint a point and look at it. */
function painted(text: string): Rgb | undefined {
  if (typeof document === "undefined") return undefined;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const paper = canvas.getContext?.("2d", { willReadFrequently: true });
  if (!paper) return undefined;
  paper.fillStyle = "#010203";
  paper.fillStyle = text;
  if (paper.fillStyle === "#010203") return undefined;
  paper.fillRect(0, 0, 1, 1);
  const [r, g, b] = paper.getImageData(0, 0, 1, 1).data;
  return r === undefined || g === undefined || b === undefined ? undefined : [r, g, b];
}

function luminance(color: Rgb): number {
  const [r, g, b] = color.map((part) => {
    const value = part / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * (r ?? 0) + 0.7152 * (g ?? 0) + 0.0722 * (b ?? 0);
}

/** Contrast of two colours, 1 to 21 (WCAG 2.2). */
export function contrast(a: Rgb, b: Rgb): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return ((light ?? 0) + 0.05) / ((dark ?? 0) + 0.05);
}

const WHITE: Rgb = [255, 255, 255];
const INK: Rgb = [11, 15, 25];

/** White or near-black, whichever reads at 4.5:1 on the colour; white where both do. */
export function textOn(color: Rgb): Rgb {
  return contrast(color, WHITE) >= 4.5 ? WHITE : contrast(color, INK) >= 4.5 ? INK : contrast(color, WHITE) > contrast(color, [0, 0, 0]) ? WHITE : [0, 0, 0];
}

/** The colour moved towards black or white until it reads at 4.5:1 on every background given. */
export function readableOn(color: Rgb, backgrounds: readonly Rgb[]): Rgb {
  const dark = backgrounds.every((background) => luminance(background) < 0.3);
  const goal = dark ? WHITE : ([0, 0, 0] as Rgb);
  for (let step = 0; step <= 20; step++) {
    const mixed = color.map((part, i) => Math.round(part + ((goal[i] ?? 0) - part) * (step / 20))) as unknown as Rgb;
    if (backgrounds.every((background) => contrast(mixed, background) >= 4.6)) return mixed;
  }
  return goal;
}

export function css(color: Rgb): string {
  return `rgb(${color.join(" ")})`;
}
