// What JSX becomes in the build for browsers.
export { Fragment, h } from "preact";
