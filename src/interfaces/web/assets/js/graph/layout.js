/**
 * Where tasks stand in the picture: each phase is a block with one column per level of need, inside a column tasks are in an
 * order that keeps edges short. Columns that would be too long become several, and blocks break into rows like words, so that
 * the whole fits its place as large as it can. Pure; runs in a worker when there are many tasks.
 *
 * @typedef {{phase: number}} LayoutNode
 * @typedef {{nodes: LayoutNode[], edges: [number, number][], aspect: number}} LayoutInput `aspect`: width by height of the place
 * @typedef {{x: number, y: number, width: number, height: number, phase: number}} Band
 * @typedef {{x: Float64Array, y: Float64Array, bands: Band[], width: number, height: number}} Layout
 * @typedef {{phase: number, columns: number[][], length: number, width: number, height: number}} Block
 */

export const NODE_WIDTH = 184;
export const NODE_HEIGHT = 46;
const COLUMN_GAP = 52;
const SUB_GAP = 18;
const ROW_GAP = 14;
const BAND_GAP = 26;
const BAND_PAD = 18;
const BAND_HEAD = 34;
const SWEEPS = 4;
/** How long a column may be, tried in turn. */
const LENGTHS = [6, 10, 16, 24, 36, 54, 80, 120, 180, 270, 400];
/** What a picture loses for each kind of break: one without is easier to read. */
const ROW_LOSS = 0.88;
const SUB_LOSS = 0.9;

/**
 * @param {LayoutInput} input
 * @returns {Layout}
 */
export function layOut({ nodes, edges, aspect }) {
  const before = nodes.map(() => /** @type {number[]} */ ([]));
  const after = nodes.map(() => /** @type {number[]} */ ([]));
  for (const [from, to] of edges) {
    before[to].push(from);
    after[from].push(to);
  }
  const level = levels(nodes, before, after);
  const columns = order(nodes, level, before, after);
  return place(nodes.length, best(columns, aspect));
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
  const settle = (/** @type {{nodes: number[]}} */ column) =>
    column.nodes.forEach((node, at) => (position[node] = (at + 0.5) / column.nodes.length));
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
 * The blocks, in rows, that make the largest picture.
 *
 * @param {{phase: number, nodes: number[]}[]} columns
 * @param {number} aspect
 * @returns {Block[][]}
 */
function best(columns, aspect) {
  const longest = Math.max(1, ...columns.map((column) => column.nodes.length));
  const lengths = [...LENGTHS.filter((length) => length < longest), longest];
  /** @type {Block[][]} */
  let found = [];
  let most = -1;
  for (const length of lengths) {
    const blocks = blocksOf(columns, length);
    for (const rows of breaks(blocks)) {
      const { width, height } = sizeOf(rows);
      const scale = Math.min(1.4, aspect / (width / 1000), 1 / (height / 1000));
      const worth = scale * ROW_LOSS ** (rows.length - 1) * (length < longest ? SUB_LOSS : 1);
      if (worth > most) [found, most] = [rows, worth];
    }
  }
  return found;
}

/**
 * @param {{phase: number, nodes: number[]}[]} columns
 * @param {number} length of a column at most
 * @returns {Block[]}
 */
function blocksOf(columns, length) {
  /** @type {Block[]} */
  const blocks = [];
  for (const { phase, nodes } of columns) {
    let block = blocks.at(-1);
    if (!block || block.phase !== phase) {
      block = { phase, columns: [], length, width: 2 * BAND_PAD - COLUMN_GAP, height: 0 };
      blocks.push(block);
    }
    const subs = Math.ceil(nodes.length / length);
    const rows = Math.ceil(nodes.length / subs);
    block.columns.push(nodes);
    block.width += COLUMN_GAP + subs * (NODE_WIDTH + SUB_GAP) - SUB_GAP;
    block.height = Math.max(block.height, BAND_HEAD + rows * (NODE_HEIGHT + ROW_GAP) - ROW_GAP + BAND_PAD);
  }
  return blocks;
}

/**
 * The ways to break blocks into rows: for each width that a first row can have.
 *
 * @param {Block[]} blocks
 */
function breaks(blocks) {
  const widest = Math.max(0, ...blocks.map((block) => block.width));
  return blocks.map((_, last) => {
    const room = Math.max(
      widest,
      blocks.slice(0, last + 1).reduce((sum, block) => sum + block.width + BAND_GAP, -BAND_GAP),
    );
    /** @type {Block[][]} */
    const rows = [];
    let left = 0;
    for (const block of blocks) {
      if (rows.length === 0 || left + block.width > room) {
        rows.push([]);
        left = 0;
      }
      rows[rows.length - 1].push(block);
      left += block.width + BAND_GAP;
    }
    return rows;
  });
}

/** @param {Block[][]} rows */
function sizeOf(rows) {
  const width = Math.max(0, ...rows.map((row) => row.reduce((sum, block) => sum + block.width + BAND_GAP, -BAND_GAP)));
  const height = rows.reduce((sum, row) => sum + Math.max(...row.map((block) => block.height)) + BAND_GAP, -BAND_GAP);
  return { width, height: Math.max(0, height) };
}

/**
 * @param {number} count of nodes
 * @param {Block[][]} rows
 * @returns {Layout}
 */
function place(count, rows) {
  const x = new Float64Array(count);
  const y = new Float64Array(count);
  /** @type {Band[]} */
  const bands = [];
  let top = 0;
  for (const row of rows) {
    const height = Math.max(...row.map((block) => block.height));
    let left = 0;
    for (const block of row) {
      bands.push({ x: left, y: top, width: block.width, height, phase: block.phase });
      placeBlock(block, { left: left + BAND_PAD, top: top + BAND_HEAD, height: height - BAND_HEAD - BAND_PAD }, x, y);
      left += block.width + BAND_GAP;
    }
    top += height + BAND_GAP;
  }
  return { x, y, bands, ...sizeOf(rows) };
}

/**
 * @param {Block} block
 * @param {{left: number, top: number, height: number}} room
 * @param {Float64Array} x
 * @param {Float64Array} y
 */
function placeBlock({ columns, length }, { left, top, height }, x, y) {
  for (const nodes of columns) {
    const subs = Math.ceil(nodes.length / length);
    const rows = Math.ceil(nodes.length / subs);
    const first = top + (height - (rows * (NODE_HEIGHT + ROW_GAP) - ROW_GAP)) / 2;
    nodes.forEach((node, at) => {
      // Row by row, so that the order from top to bottom holds across sub-columns.
      x[node] = left + (at % subs) * (NODE_WIDTH + SUB_GAP);
      y[node] = first + Math.floor(at / subs) * (NODE_HEIGHT + ROW_GAP);
    });
    left += subs * (NODE_WIDTH + SUB_GAP) - SUB_GAP + COLUMN_GAP;
  }
}
