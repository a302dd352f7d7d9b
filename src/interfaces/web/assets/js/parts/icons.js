/** Small drawings, each a path of a 16 by 16 square. */
import { s } from "../core/dom.js";

const PATHS = {
  dot: "M8 6.5a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3z",
  queue: "M3 4.5h10M3 8h10M3 11.5h6",
  run: "M13.5 8A5.5 5.5 0 1 1 8 2.5",
  check: "M3 8.5 6.5 12 13 4.5",
  cross: "M4 4l8 8M12 4l-8 8",
  x: "M4.5 4.5l7 7M11.5 4.5l-7 7",
  retry: "M13 8a5 5 0 1 1-1.6-3.7M13 2.5V5h-2.6",
  person: "M8 8a2.6 2.6 0 1 0 0-5.2A2.6 2.6 0 0 0 8 8zM3 13.5c.6-2.4 2.6-3.6 5-3.6s4.4 1.2 5 3.6",
  hourglass: "M4 2.5h8M4 13.5h8M5 2.5c0 3 3 3.8 3 5.5s-3 2.5-3 5.5M11 2.5c0 3-3 3.8-3 5.5s3 2.5 3 5.5",
  question: "M5.8 6a2.2 2.2 0 1 1 3.3 1.9c-.7.4-1.1.8-1.1 1.6M8 12.2v.1",
  wrench: "M13 4.2 10.8 6.3 9.6 5.1l2.1-2.2A3.6 3.6 0 0 0 7 7.3L2.7 11.6l1.7 1.7L8.7 9A3.6 3.6 0 0 0 13 4.2z",
  skip: "M3 4l5 4-5 4zM9 4l4 4-4 4z",
  stop: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM4.2 4.2l7.6 7.6",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  play: "M5 3.2v9.6L12.5 8z",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.5 10.5l3 3",
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  fit: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  copy: "M5.5 5.5h7.5v7.5H5.5zM3 10.5V3h7.5",
  more: "M3.5 8h.1M8 8h.1M12.5 8h.1",
  down: "M4 6l4 4 4-4",
  right: "M6 4l4 4-4 4",
  fork: "M4.5 4.5a1.3 1.3 0 1 0 0-2.6 1.3 1.3 0 0 0 0 2.6zM11.5 4.5a1.3 1.3 0 1 0 0-2.6 1.3 1.3 0 0 0 0 2.6zM8 14a1.3 1.3 0 1 0 0-2.6A1.3 1.3 0 0 0 8 14zM4.5 4.5c0 3 3.5 2.5 3.5 6.8 0-4.3 3.5-3.8 3.5-6.8",
  compare: "M5.5 2.5v11M10.5 2.5v11M2.5 5.5h3M10.5 10.5h3",
  trash: "M3 4.5h10M6.5 4V2.5h3V4M4.5 4.5l.6 9h5.8l.6-9",
  file: "M4 1.8h5l3 3v9.4H4zM9 1.8v3h3",
  list: "M5.5 4h8M5.5 8h8M5.5 12h8M2.5 4h.1M2.5 8h.1M2.5 12h.1",
  inbox: "M2.5 9l2-6h7l2 6v4.5h-11zM2.5 9H6l.8 1.6h2.4L10 9h3.5",
  sun: "M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6zM8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9",
  moon: "M13 9.6A5.6 5.6 0 0 1 6.4 3a5.6 5.6 0 1 0 6.6 6.6z",
  system: "M2 3h12v8H2zM6 13.5h4",
  key: "M9.8 6.2a3 3 0 1 1-2.2-2.1 3 3 0 0 1 2.2 2.1zM8 7.5l5 5M11.5 11l1.3-1.3",
  warn: "M8 2.5 14 13H2zM8 6.5v3M8 11.3v.1",
  download: "M8 2.5v7.5M5 7.5l3 3 3-3M3 13h10",
  model: "M8 2l1.5 4.5L14 8l-4.5 1.5L8 14l-1.5-4.5L2 8l4.5-1.5z",
  commit: "M8 5.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5zM1.5 8h4M10.5 8h4",
};

/** @typedef {keyof typeof PATHS} IconName */

/**
 * @param {IconName} name
 * @param {string} [tone] a class
 */
export function icon(name, tone = "") {
  return s("svg", { class: `icon ${tone}`.trim(), viewBox: "0 0 16 16", "aria-hidden": "true" }, s("path", { d: PATHS[name] }));
}

/** @type {Map<IconName, Path2D>} */
const paths = new Map();

/** The path itself, for canvases. @param {IconName} name */
export function iconPath(name) {
  let path = paths.get(name);
  if (!path) {
    path = new Path2D(PATHS[name]);
    paths.set(name, path);
  }
  return path;
}
