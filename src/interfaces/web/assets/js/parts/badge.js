/** A state in a word, a shape and a colour. */
import { h } from "../core/dom.js";
import { attemptLook, mergeLook, projectLook, taskLook } from "../model/status.js";
import { icon } from "./icons.js";

/** @param {import("../model/status.js").Look} look */
export function badge({ word, tone, icon: shape }) {
  return h("span", { class: "badge", data: { tone, turns: shape === "run" ? "" : undefined } }, icon(shape), word);
}

/** @param {string} status */
export function taskBadge(status) {
  return badge(taskLook(status));
}

/** @param {string} status */
export function projectBadge(status) {
  return badge(projectLook(status));
}

/** @param {string} end */
export function attemptBadge(end) {
  return badge(attemptLook(end));
}

/** @param {string} state */
export function mergeBadge(state) {
  return badge(mergeLook(state));
}
