import { describe, expect, test } from "vitest";
import { contrast, parseColor, readableOn, textOn } from "../src/theme/accent.ts";

describe("accents", () => {
  test.each(["#2457d6", "#ff9f1c", "#ffe14d", "#000", "#fff", "#777777", "#e4572e", "#808080", "rgb(10, 200, 30)"])("text on %s reads at 4.5:1", (color) => {
    const rgb = parseColor(color);
    expect(rgb).toBeDefined();
    if (rgb) expect(contrast(textOn(rgb), rgb)).toBeGreaterThanOrEqual(4.5);
  });
  test.each([["#ffe14d", "#ffffff"], ["#2457d6", "#15181f"], ["#000000", "#15181f"], ["#ffffff", "#ffffff"]])("%s as text on %s is moved until it reads", (color, ground) => {
    const [accent, background] = [parseColor(color), parseColor(ground)];
    if (accent && background) expect(contrast(readableOn(accent, [background]), background)).toBeGreaterThanOrEqual(4.5);
  });
  test("what is no colour is none", () => {
    expect(parseColor("#12")).toBeUndefined();
    expect(parseColor("url(x)")).toBeUndefined();
  });
});
