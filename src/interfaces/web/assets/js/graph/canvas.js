/** The live graph of a project: a canvas that can be moved, zoomed, searched, and walked through with the arrow keys. */
import { announce } from "../core/announce.js";
import { h } from "../core/dom.js";
import { colours, watchTheme } from "../core/theme.js";
import { taskLook } from "../model/status.js";
import { icon } from "../parts/icons.js";
import { NODE_HEIGHT, NODE_WIDTH } from "./layout.js";
import { graphOf, layoutOf, shapeOf } from "./model.js";
import { COLOURS, paint, paintMap } from "./painter.js";
import { Viewport } from "./viewport.js";

const MAP_FROM = 60;
const MAP = { width: 168, height: 84 };

export class GraphCanvas {
  /**
   * @param {import("../core/scope.js").Scope} scope
   * @param {{select: (task: import("../model/types.js").TaskView | null) => void, open: (task: import("../model/types.js").TaskView) => void}} on
   */
  constructor(scope, on) {
    this.scope = scope;
    this.on = on;
    /** @type {import("./painter.js").Scene | null} */
    this.scene = null;
    this.shape = "";
    this.wanted = 0;
    this.canvas = h("canvas", {
      class: "graph-canvas",
      tabindex: 0,
      role: "application",
      data: { keys: "" },
      "aria-label": "Graph of tasks. Arrow keys move between tasks, Enter opens one, plus and minus zoom, 0 shows all.",
    });
    this.map = h("canvas", { class: "graph-map", "aria-hidden": "true", hidden: true });
    const button = (
      /** @type {string} */ label,
      /** @type {import("../parts/icons.js").IconName} */ shape,
      /** @type {() => void} */ act,
    ) =>
      h(
        "button",
        { class: "button icon-only", type: "button", "aria-label": label, title: label, on: { click: act } },
        icon(shape),
      );
    this.root = h(
      "div",
      { class: "graph-stage" },
      this.canvas,
      this.map,
      h(
        "div",
        { class: "graph-buttons", role: "group", "aria-label": "Zoom" },
        button("Zoom in", "plus", () => this.viewport.zoom(1.35)),
        button("Zoom out", "minus", () => this.viewport.zoom(1 / 1.35)),
        button("Show all", "fit", () => this.fit()),
      ),
    );
    this.viewport = new Viewport(this.canvas, {
      moved: () => this.draw(),
      tapped: (x, y) => this.select(this.at(x, y)),
      hovered: (x, y) => this.hover(this.at(x, y)),
    });
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.canvas.addEventListener("dblclick", () => this.open());
    this.map.addEventListener("pointerdown", (event) => this.jump(event));
    const resized = new ResizeObserver(() => this.resize());
    resized.observe(this.canvas);
    scope.own(() => resized.disconnect());
    this.palette = colours(COLOURS);
    watchTheme(scope, () => {
      this.palette = colours(COLOURS);
      this.draw();
    });
    this.sans = getComputedStyle(document.body).fontFamily;
  }

  /**
   * Shows a project as it is now.
   *
   * @param {import("../model/types.js").ProjectView} view
   */
  async show(view) {
    const graph = graphOf(view);
    const shape = shapeOf(graph);
    if (this.scene && shape === this.shape) {
      this.scene = { ...this.scene, graph };
      this.draw();
      return;
    }
    this.shape = shape;
    const aspect = Math.max(0.4, this.canvas.clientWidth / Math.max(1, this.canvas.clientHeight));
    const layout = await layoutOf(graph, aspect, this.scope);
    if (this.scope.over || shape !== this.shape) return;
    this.scene = { graph, layout, selected: this.scene?.selected ?? -1, hovered: -1, matches: null };
    this.map.hidden = graph.tasks.length < MAP_FROM;
    if (this.viewport.touched) this.draw();
    else this.fit();
  }

  /** Shows all of it. */
  fit() {
    if (!this.scene) return;
    this.viewport.touched = false;
    this.viewport.fit(this.scene.layout.width, this.scene.layout.height);
  }

  /**
   * Marks the tasks whose names have `text` in them. Answers how many there are.
   *
   * @param {string} text
   */
  find(text) {
    if (!this.scene) return 0;
    const wanted = text.trim().toLowerCase();
    const found = this.scene.graph.tasks.map((task, at) =>
      task.name.toLowerCase().includes(wanted) || task.status.toLowerCase().includes(wanted) ? at : -1,
    );
    this.scene.matches = wanted ? new Set(found.filter((at) => at >= 0)) : null;
    this.draw();
    return this.scene.matches?.size ?? 0;
  }

  /** Goes to the next of the marked tasks. */
  next() {
    const matches = [...(this.scene?.matches ?? [])];
    if (!this.scene || matches.length === 0) return;
    const after = matches.find((at) => at > /** @type {any} */ (this.scene).selected) ?? matches[0];
    this.select(after, { readable: true });
  }

  /**
   * @param {number} node
   * @param {{readable?: boolean}} [options]
   */
  select(node, options = {}) {
    const { scene } = this;
    if (!scene) return;
    scene.selected = node;
    const task = scene.graph.tasks[node] ?? null;
    if (task) {
      this.viewport.reveal({ x: scene.layout.x[node], y: scene.layout.y[node], width: NODE_WIDTH, height: NODE_HEIGHT }, options);
      announce(
        `${task.name}, ${taskLook(task.status).word}, phase ${task.phase}${task.needs.length ? `, needs ${task.needs.join(", ")}` : ""}`,
      );
    }
    this.draw();
    this.on.select(task);
  }

  open() {
    const task = this.scene?.graph.tasks[this.scene.selected];
    if (task) this.on.open(task);
  }

  /** @param {number} node */
  hover(node) {
    if (!this.scene || this.scene.hovered === node) return;
    this.scene.hovered = node;
    this.canvas.style.cursor = node >= 0 ? "pointer" : "grab";
    this.canvas.title = this.scene.graph.tasks[node]?.name ?? "";
    this.draw();
  }

  /**
   * The task at a place of the canvas; -1 for none.
   *
   * @param {number} x
   * @param {number} y
   */
  at(x, y) {
    if (!this.scene || Number.isNaN(x)) return -1;
    const { layout } = this.scene;
    const place = this.viewport.inside(x, y);
    return layout.x.findIndex(
      (left, node) =>
        place.x >= left && place.x <= left + NODE_WIDTH && place.y >= layout.y[node] && place.y <= layout.y[node] + NODE_HEIGHT,
    );
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = /** @type {Record<string, [number, number]>} */ ({
      ArrowRight: [1, 0],
      ArrowLeft: [-1, 0],
      ArrowDown: [0, 1],
      ArrowUp: [0, -1],
    });
    const step = steps[event.key];
    if (step) this.walk(step);
    else if (event.key === "Enter") this.open();
    else if (event.key === "+" || event.key === "=") this.viewport.zoom(1.35);
    else if (event.key === "-") this.viewport.zoom(1 / 1.35);
    else if (event.key === "0") this.fit();
    else if (event.key === "Escape") this.select(-1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /**
   * To the nearest task in a direction.
   *
   * @param {[number, number]} direction
   */
  walk([dx, dy]) {
    if (!this.scene || this.scene.graph.tasks.length === 0) return;
    const { layout, selected } = this.scene;
    if (selected < 0) {
      this.select(0);
      return;
    }
    let best = -1;
    let least = Infinity;
    for (let node = 0; node < layout.x.length; node += 1) {
      const along = (layout.x[node] - layout.x[selected]) * dx + (layout.y[node] - layout.y[selected]) * dy;
      const across = Math.abs((layout.x[node] - layout.x[selected]) * dy) + Math.abs((layout.y[node] - layout.y[selected]) * dx);
      const far = along + 2.5 * across;
      if (along > 1 && far < least) [best, least] = [node, far];
    }
    if (best >= 0) this.select(best);
  }

  /** @param {PointerEvent} event */
  jump(event) {
    if (!this.scene) return;
    const { layout } = this.scene;
    const scale = Math.min(MAP.width / layout.width, MAP.height / layout.height);
    const { left, top } = this.map.getBoundingClientRect();
    const x = (event.clientX - left - (MAP.width - layout.width * scale) / 2) / scale;
    const y = (event.clientY - top - (MAP.height - layout.height * scale) / 2) / scale;
    this.viewport.x = this.viewport.width / 2 - x * this.viewport.scale;
    this.viewport.y = this.viewport.height / 2 - y * this.viewport.scale;
    this.viewport.touched = true;
    this.draw();
  }

  resize() {
    const ratio = devicePixelRatio || 1;
    this.canvas.width = Math.round(this.canvas.clientWidth * ratio);
    this.canvas.height = Math.round(this.canvas.clientHeight * ratio);
    [this.map.width, this.map.height] = [MAP.width * ratio, MAP.height * ratio];
    if (this.viewport.touched) this.draw();
    else this.fit();
  }

  /** Draws with the next frame, however often it is asked for. */
  draw() {
    if (this.wanted) return;
    this.wanted = requestAnimationFrame(() => {
      this.wanted = 0;
      const context = this.canvas.getContext("2d");
      if (!context || !this.scene || this.scope.over) return;
      const ratio = devicePixelRatio || 1;
      paint(context, this.scene, this.viewport, this.palette, { sans: this.sans, ratio });
      const map = this.map.hidden ? null : this.map.getContext("2d");
      if (map) paintMap(map, this.scene, this.viewport, this.palette, { ...MAP, ratio });
    });
  }
}
