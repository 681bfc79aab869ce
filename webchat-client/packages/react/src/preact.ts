// What the view knows as `preact`, when it is built for React.
import { Component as ReactComponent, type ReactElement, type ReactNode } from "react";

export { createContext, createElement, Fragment } from "react";
/** React has the static method and does not declare it. */
export const Component = ReactComponent as typeof ReactComponent & { getDerivedStateFromError?(error: unknown): object | null };
export type ComponentChildren = ReactNode;
export type VNode = ReactElement;
