// Preact's names, by React: so that tests of the view which draw with Preact draw with React instead.
import * as React from "react";
import { createRoot, type Root } from "react-dom/client";

export { act, createRef, Fragment, createContext, createElement } from "react";
export { createElement as h } from "react";
export { Component } from "../src/preact.ts";

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;

const roots = new WeakMap<Element | DocumentFragment, Root>();

/** Preact's `render`: draws at once; null takes away. */
export function render(element: React.ReactNode, into: Element | DocumentFragment): void {
  const root = roots.get(into) ?? createRoot(into as Element);
  roots.set(into, root);
  React.act(() => root.render(element));
}
