// @vitest-environment happy-dom
// The cleaner itself is tried in a real browser; here: what is built of its nodes.
import { createElement, render } from "preact";
import { expect, test, vi } from "vitest";
import { LINK_REL, safeHref, safeMedia } from "../src/markdown/links.ts";
import { Link, mayLoad } from "../src/markdown/render.tsx";

const clean = vi.hoisted(() => ({ nodes: "" }));
vi.mock("dompurify", () => ({
  default: () => ({
    sanitize() {
      const template = document.createElement("template");
      template.innerHTML = clean.nodes;
      return template.content;
    },
  }),
}));

const { render: build } = await import("../src/messages/html.ts");
const how = { imageHosts: ["cdn.example"], newWindow: "new window", onLink: () => true };

function built(nodes: string): HTMLElement {
  clean.nodes = nodes;
  const root = document.createElement("div");
  render(createElement("div", null, build("", { createElement, safeHref, safeMedia, mayLoad, Link, rel: LINK_REL, how })), root);
  return root;
}

test("known tags are built anew, unknown ones leave their text", () => {
  expect(built("<p>Hi <b>you</b><br><marquee>there</marquee></p>").innerHTML).toBe("<div><p>Hi <b>you</b><br>there</p></div>");
});

test("even if the cleaner let something through, it does not become an element", () => {
  const root = built('<script>alert(1)</script><a href="javascript:alert(1)">x</a><p onclick="alert(1)" style="color:red">y</p><img src="https://evil.example/x.png" alt="pic"><img src="https://cdn.example/y.png" alt="ok">');
  expect(root.querySelector("script")).toBeNull();
  expect(root.innerHTML).not.toMatch(/javascript:|onclick|style=/);
  expect([...root.querySelectorAll("img")].map((image) => image.getAttribute("src"))).toEqual(["https://cdn.example/y.png"]);
  expect(root.querySelector('a[href="https://evil.example/x.png"]')?.textContent).toBe("pic");
});
