/**
 * Draws a graph on a canvas, with as much detail as the scale leaves room for: far away only the colours of states, nearer
 * the names, near what each task does. What is out of sight is not drawn.
 */
import { duration } from "../core/format.js";
import { taskLook, sentence } from "../model/status.js";
import { iconPath } from "../parts/icons.js";
import { NODE_HEIGHT, NODE_WIDTH } from "./layout.js";

export const COLOURS = /** @type {const} */ ([
  "bg",
  "surface",
  "sunken",
  "line",
  "line-strong",
  "text",
  "muted",
  "accent",
  "focus",
  "idle",
  "idle-fill",
  "active",
  "active-fill",
  "active-soft",
  "good",
  "good-fill",
  "bad",
  "bad-fill",
  "bad-soft",
  "wait",
  "wait-fill",
  "wait-soft",
  "doubt",
  "doubt-fill",
  "doubt-soft",
]);

const NAMES_FROM = 0.42;
const DETAILS_FROM = 0.68;
/** Names are never smaller than this on the screen. */
const LEAST_TEXT = 10.5;
const EDGES_FROM = 0.09;
const SOFT = new Set(["active", "bad", "wait", "doubt"]);

/**
 * @typedef {{graph: import("./model.js").Graph, layout: import("./layout.js").Layout, selected: number, hovered: number, matches: Set<number> | null}} Scene
 */

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Scene} scene
 * @param {import("./viewport.js").Viewport} viewport
 * @param {Record<typeof COLOURS[number], string>} colours
 * @param {{sans: string, ratio: number}} how
 */
export function paint(context, scene, viewport, colours, { sans, ratio }) {
  const { scale, x, y, width, height } = viewport;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.setTransform(ratio * scale, 0, 0, ratio * scale, ratio * x, ratio * y);
  const from = viewport.inside(0, 0);
  const to = viewport.inside(width, height);
  const seen = { left: from.x, top: from.y, right: to.x, bottom: to.y };
  paintBands(context, scene, colours, sans, scale);
  if (scale >= EDGES_FROM || scene.graph.tasks.length < 400) paintEdges(context, scene, colours, seen, scale);
  paintNodes(context, scene, colours, seen, scale, sans);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Scene} scene
 * @param {Record<string, string>} colours
 * @param {string} sans
 * @param {number} scale
 */
function paintBands(context, { layout, graph }, colours, sans, scale) {
  const size = Math.min(12 / Math.min(1, scale), 34);
  context.font = `600 ${size}px ${sans}`;
  context.textBaseline = "alphabetic";
  for (const band of layout.bands) {
    context.fillStyle = colours.sunken;
    context.strokeStyle = colours.line;
    context.lineWidth = 1;
    context.beginPath();
    context.roundRect(band.x, band.y, band.width, band.height, 10);
    context.fill();
    context.stroke();
    context.fillStyle = colours.muted;
    context.fillText(sentence(graph.phases[band.phase] ?? ""), band.x + 14, band.y + (size > 20 ? -6 : 21));
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Scene} scene
 * @param {Record<string, string>} colours
 * @param {{left: number, right: number, top: number, bottom: number}} seen
 * @param {number} scale
 */
function paintEdges(context, { graph, layout, selected, hovered }, colours, seen, scale) {
  const near = (/** @type {number} */ node) => node >= 0 && (node === selected || node === hovered);
  context.lineWidth = Math.max(1.2, 0.9 / scale);
  const isDense = graph.edges.length > 600;
  for (const pass of ["plain", "grown", "near"]) {
    context.beginPath();
    for (const [a, b] of graph.edges) {
      const kind = near(a) || near(b) ? "near" : graph.grown.has(`${a}>${b}`) ? "grown" : "plain";
      if (kind !== pass) continue;
      const [x1, y1] = [layout.x[a] + NODE_WIDTH, layout.y[a] + NODE_HEIGHT / 2];
      const [x2, y2] = [layout.x[b], layout.y[b] + NODE_HEIGHT / 2];
      if (
        Math.max(x1, x2) < seen.left ||
        Math.min(x1, x2) > seen.right ||
        Math.max(y1, y2) < seen.top ||
        Math.min(y1, y2) > seen.bottom
      )
        continue;
      const bend = Math.max(24, Math.abs(x2 - x1) / 2.4);
      context.moveTo(x1, y1);
      context.bezierCurveTo(x1 + bend, y1, x2 - bend, y2, x2, y2);
    }
    context.globalAlpha = pass === "near" ? 1 : isDense ? 0.4 : 0.9;
    context.strokeStyle = pass === "near" ? colours.accent : colours["line-strong"];
    context.setLineDash(pass === "grown" ? [4, 4] : []);
    context.stroke();
  }
  context.globalAlpha = 1;
  context.setLineDash([]);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Scene} scene
 * @param {Record<string, string>} colours
 * @param {{left: number, right: number, top: number, bottom: number}} seen
 * @param {number} scale
 * @param {string} sans
 */
function paintNodes(context, scene, colours, seen, scale, sans) {
  const { graph, layout, matches } = scene;
  graph.tasks.forEach((task, node) => {
    const [left, top] = [layout.x[node], layout.y[node]];
    if (left > seen.right || left + NODE_WIDTH < seen.left || top > seen.bottom || top + NODE_HEIGHT < seen.top) return;
    context.globalAlpha = matches && !matches.has(node) ? 0.22 : 1;
    const look = taskLook(task.status);
    if (scale < NAMES_FROM) paintFar(context, scene, node, look.tone, colours, scale);
    else paintNear(context, scene, node, look, colours, scale, sans);
  });
  context.globalAlpha = 1;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Scene} scene
 * @param {number} node
 * @param {import("../model/status.js").Tone} tone
 * @param {Record<string, string>} colours
 * @param {number} scale
 */
function paintFar(context, { layout, selected, graph }, node, tone, colours, scale) {
  const isOff = ["SKIPPED", "CANCELLED", "PENDING"].includes(graph.tasks[node].status);
  context.fillStyle = isOff ? colours.surface : colours[`${tone}-fill`];
  context.strokeStyle = node === selected ? colours.focus : isOff ? colours["line-strong"] : colours[`${tone}-fill`];
  context.lineWidth = (node === selected ? 3 : 1) / scale;
  context.beginPath();
  context.rect(layout.x[node], layout.y[node], NODE_WIDTH, NODE_HEIGHT);
  context.fill();
  context.stroke();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Scene} scene
 * @param {number} node
 * @param {import("../model/status.js").Look} look
 * @param {Record<string, string>} colours
 * @param {number} scale
 * @param {string} sans
 */
function paintNear(context, { graph, layout, selected, hovered }, node, look, colours, scale, sans) {
  const task = graph.tasks[node];
  const [left, top] = [layout.x[node], layout.y[node]];
  context.beginPath();
  context.roundRect(left, top, NODE_WIDTH, NODE_HEIGHT, 6);
  context.fillStyle = SOFT.has(look.tone) ? colours[`${look.tone}-soft`] : colours.surface;
  context.fill();
  const isSelected = node === selected;
  context.strokeStyle = isSelected
    ? colours.focus
    : node === hovered
      ? colours.accent
      : SOFT.has(look.tone)
        ? colours[look.tone]
        : colours["line-strong"];
  context.lineWidth = isSelected ? 2.5 : 1;
  context.stroke();
  context.save();
  context.translate(left + 11, top + (scale < DETAILS_FROM ? 15 : 7));
  context.strokeStyle = colours[look.tone];
  context.lineWidth = 1.8;
  context.lineCap = context.lineJoin = "round";
  context.stroke(iconPath(look.icon));
  context.restore();
  context.textBaseline = "alphabetic";
  context.fillStyle = ["SKIPPED", "CANCELLED"].includes(task.status) ? colours.muted : colours.text;
  context.font = `560 ${Math.max(13, LEAST_TEXT / scale)}px ${sans}`;
  context.fillText(
    cut(context, task.name, NODE_WIDTH - 44),
    left + 34,
    top + (scale < DETAILS_FROM ? NODE_HEIGHT / 2 + Math.max(13, LEAST_TEXT / scale) * 0.36 : 20),
  );
  if (scale < DETAILS_FROM) return;
  context.fillStyle = colours.muted;
  context.font = `400 11px ${sans}`;
  context.fillText(cut(context, detail(task), NODE_WIDTH - 44), left + 34, top + 36);
}

/** @param {import("../model/types.js").TaskView} task */
function detail(task) {
  const what = task.role ?? task.action;
  const again = task.attempt > 1 ? ` ×${task.attempt}` : "";
  if (task.action === "approval" && task.status !== "COMPLETED") return taskLook(task.status).word;
  if (task.status === "RUNNING" && task.doing) return `${what}${again} · ${task.doing.what}`;
  if (task.status === "COMPLETED" && task.started && task.ended)
    return `${what}${again} · ${duration(task.ended - task.started)}`;
  return `${what}${again} · ${taskLook(task.status).word.toLowerCase()}`;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {number} room
 */
function cut(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  let [least, most] = [0, text.length];
  while (least < most) {
    const middle = Math.ceil((least + most) / 2);
    if (context.measureText(`${text.slice(0, middle)}…`).width <= room) least = middle;
    else most = middle - 1;
  }
  return `${text.slice(0, least)}…`;
}

/**
 * The whole picture, small, with the part that is seen.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Scene} scene
 * @param {import("./viewport.js").Viewport} viewport
 * @param {Record<string, string>} colours
 * @param {{width: number, height: number, ratio: number}} size
 */
export function paintMap(context, { graph, layout }, viewport, colours, { width, height, ratio }) {
  const scale = Math.min(width / layout.width, height / layout.height);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.fillStyle = colours.surface;
  context.fillRect(0, 0, width, height);
  context.save();
  context.translate((width - layout.width * scale) / 2, (height - layout.height * scale) / 2);
  graph.tasks.forEach((task, node) => {
    context.fillStyle = colours[`${taskLook(task.status).tone}-fill`];
    context.fillRect(
      layout.x[node] * scale,
      layout.y[node] * scale,
      Math.max(1.5, NODE_WIDTH * scale - 0.5),
      Math.max(1, NODE_HEIGHT * scale - 0.5),
    );
  });
  const from = viewport.inside(0, 0);
  context.strokeStyle = colours.accent;
  context.lineWidth = 1.5;
  context.strokeRect(
    from.x * scale,
    from.y * scale,
    (viewport.width / viewport.scale) * scale,
    (viewport.height / viewport.scale) * scale,
  );
  context.restore();
}
