// The style sheets of the panel and everything in it.
import composer from "./css/composer.css";
import controls from "./css/controls.css";
import log from "./css/log.css";
import shell from "./css/shell.css";
import types from "./css/types.css";

export const panelStyle: string = controls + shell + log + types + composer;
