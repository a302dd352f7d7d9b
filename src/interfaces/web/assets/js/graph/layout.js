/**
 * Where tasks stand in the picture: phases from left to right, inside a phase one column per level of need, inside a column
 * in an order that keeps edges short. A column that would be too long becomes several. Pure; runs in a worker when large.
 *
 * @typedef {{phase: number}} LayoutNode
 * @typedef {{nodes: LayoutNode[], edges: [number, number][]}} LayoutInput
 * @typedef {{x: number, width: number, phase: number}} Band
 * @typedef {{x: Float64Array, y: Float64Array, bands: Band[], width: number, height: number}} Layout
 */

export const NODE_WIDTH = 184;
export const NODE_HEIGHT = 46;
const COLUMN_GAP = 64;
const SUB_GAP = 20;
const ROW_GAP = 14;
const BAND_GAP = 44;
const BAND_PAD = 20;
const BAND_HEAD = 34;
const SWEEPS = 4;
const LEAST_ROWS = 8;

/**
 * @param {LayoutInput} input
 * @returns {Layout}
 */
export function layOut({ nodes, edges }) {
  const before = nodes.map(() => /** @type {number[]} */ ([]));
  const after = nodes.map(() => /** @type {number[]} */ ([]));
  for (const [from, to] of edges) {
    before[to].push(from);
    after[from].push(to);
  }
  const level = levels(nodes, before, after);
  const columns = order(nodes, level, before, after);
  return place(nodes, columns);
}

/**
 * The longest way to each node inside its phase.
 *
 * @param {LayoutNode[]} nodes
 * @param {number[][]} before
 * @param {number[][]} after
 */
function levels(nodes, before, after) {
  const inPhase = (/** @type {number} */ a, /** @type {number} */ b) => nodes[a].phase === nodes[b].phase;
  const open = nodes.map((_, at) => before[at].filter((from) => inPhase(from, at)).length);
  const level = new Int32Array(nodes.length);
  const ready = nodes.map((_, at) => at).filter((at) => open[at] === 0);
  for (let next = ready.shift(); next !== undefined; next = ready.shift()) {
    for (const to of after[next]) {
      if (!inPhase(next, to)) continue;
      level[to] = Math.max(level[to], level[next] + 1);
      open[to] -= 1;
      if (open[to] === 0) ready.push(to);
    }
  }
  return level;
}

/**
 * Nodes by phase and level, each column ordered by where its neighbours stand.
 *
 * @param {LayoutNode[]} nodes
 * @param {Int32Array} level
 * @param {number[][]} before
 * @param {number[][]} after
 * @returns {{phase: number, nodes: number[]}[]}
 */
function order(nodes, level, before, after) {
  /** @type {Map<string, {phase: number, level: number, nodes: number[]}>} */
  const found = new Map();
  nodes.forEach(({ phase }, at) => {
    const key = `${phase}/${level[at]}`;
    const column = found.get(key) ?? { phase, level: level[at], nodes: [] };
    column.nodes.push(at);
    found.set(key, column);
  });
  const columns = [...found.values()].sort((a, b) => a.phase - b.phase || a.level - b.level);
  const position = new Float64Array(nodes.length);
  const settle = (/** @type {{nodes: number[]}} */ column) => column.nodes.forEach((node, at) => (position[node] = (at + 0.5) / column.nodes.length));
  columns.forEach(settle);
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const isForward = sweep % 2 === 0;
    const neighbours = isForward ? before : after;
    for (const column of isForward ? columns : [...columns].reverse()) {
      const wish = new Map(column.nodes.map((node) => [node, mean(neighbours[node], position) ?? position[node]]));
      column.nodes.sort((a, b) => /** @type {number} */ (wish.get(a)) - /** @type {number} */ (wish.get(b)) || a - b);
      settle(column);
    }
  }
  return columns;
}

/** @param {number[]} of @param {Float64Array} position */
function mean(of, position) {
  if (of.length === 0) return null;
  return of.reduce((sum, node) => sum + position[node], 0) / of.length;
}

/**
 * @param {LayoutNode[]} nodes
 * @param {{phase: number, nodes: number[]}[]} columns
 * @returns {Layout}
 */
function place(nodes, columns) {
  const x = new Float64Array(nodes.length);
  const y = new Float64Array(nodes.length);
  // A picture about three times as wide as high, however many tasks it has.
  const most = Math.max(LEAST_ROWS, Math.ceil(Math.sqrt(nodes.length) * 1.2));
  const tallest = Math.min(most, Math.max(1, ...columns.map((column) => column.nodes.length)));
  const inner = tallest * (NODE_HEIGHT + ROW_GAP) - ROW_GAP;
  /** @type {Band[]} */
  const bands = [];
  let left = 0;
  for (const column of columns) {
    let band = bands.at(-1);
    if (!band || band.phase !== column.phase) {
      if (band) left = band.x + band.width + BAND_GAP;
      band = { x: left, width: 0, phase: column.phase };
      bands.push(band);
      left += BAND_PAD;
    } else {
      left += COLUMN_GAP - SUB_GAP;
    }
    const subs = Math.ceil(column.nodes.length / most);
    const rows = Math.ceil(column.nodes.length / subs);
    column.nodes.forEach((node, at) => {
      // Row by row, so that the order from top to bottom holds across sub-columns.
      const [row, sub] = [Math.floor(at / subs), at % subs];
      x[node] = left + sub * (NODE_WIDTH + SUB_GAP);
      y[node] = BAND_HEAD + (inner - (rows * (NODE_HEIGHT + ROW_GAP) - ROW_GAP)) / 2 + row * (NODE_HEIGHT + ROW_GAP);
    });
    left += subs * (NODE_WIDTH + SUB_GAP);
    band.width = left - SUB_GAP + BAND_PAD - band.x;
  }
  const last = bands.at(-1);
  return { x, y, bands, width: last ? last.x + last.width : 0, height: BAND_HEAD + inner + BAND_PAD };
}
