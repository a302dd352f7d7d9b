/** Which part of a picture is seen: panning, zooming and pinching, by pointer. Knows nothing of what is drawn. */

const LEAST = 0.03;
const MOST = 2.5;
const MARGIN = 24;

export class Viewport {
  /**
   * @param {HTMLElement} element
   * @param {{moved: () => void, tapped: (x: number, y: number) => void, hovered: (x: number, y: number) => void}} on
   */
  constructor(element, on) {
    this.element = element;
    this.on = on;
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    /** Whether a person has moved it: from then on it is not fitted by itself. */
    this.touched = false;
    /** @type {Map<number, {x: number, y: number}>} */
    this.pointers = new Map();
    this.travelled = 0;
    element.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    element.addEventListener("pointerdown", (event) => this.down(event));
    element.addEventListener("pointermove", (event) => this.move(event));
    element.addEventListener("pointerup", (event) => this.up(event));
    element.addEventListener("pointercancel", (event) => this.pointers.delete(event.pointerId));
    element.addEventListener("pointerleave", () => on.hovered(NaN, NaN));
  }

  get width() {
    return this.element.clientWidth;
  }

  get height() {
    return this.element.clientHeight;
  }

  /**
   * A place of the picture by its place on the element.
   *
   * @param {number} x
   * @param {number} y
   */
  inside(x, y) {
    return { x: (x - this.x) / this.scale, y: (y - this.y) / this.scale };
  }

  /**
   * Shows all of a picture, as large as it fits, never enlarged.
   *
   * @param {number} width
   * @param {number} height
   */
  fit(width, height) {
    const room = Math.min((this.width - 2 * MARGIN) / Math.max(1, width), (this.height - 2 * MARGIN) / Math.max(1, height));
    this.scale = Math.min(1, Math.max(LEAST, room));
    this.x = (this.width - width * this.scale) / 2;
    this.y = (this.height - height * this.scale) / 2;
    this.on.moved();
  }

  /**
   * @param {number} factor
   * @param {number} [x] the place that stays where it is; without: the middle
   * @param {number} [y]
   */
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const scale = Math.min(MOST, Math.max(LEAST, this.scale * factor));
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.touched = true;
    this.on.moved();
  }

  /**
   * Brings a rectangle of the picture into sight, readable.
   *
   * @param {{x: number, y: number, width: number, height: number}} rectangle
   * @param {{readable?: boolean}} [options]
   */
  reveal({ x, y, width, height }, { readable = false } = {}) {
    if (readable && this.scale < 0.6) this.scale = 0.85;
    const [left, top] = [x * this.scale + this.x, y * this.scale + this.y];
    const [right, bottom] = [left + width * this.scale, top + height * this.scale];
    const isIn = left >= 0 && top >= 0 && right <= this.width && bottom <= this.height;
    if (!isIn) {
      this.x = this.width / 2 - (x + width / 2) * this.scale;
      this.y = this.height / 2 - (y + height / 2) * this.scale;
    }
    this.touched = true;
    this.on.moved();
  }

  /** @param {WheelEvent} event */
  wheel(event) {
    event.preventDefault();
    const { left, top } = this.element.getBoundingClientRect();
    const unit = event.deltaMode === 1 ? 16 : 1;
    if (event.shiftKey) {
      this.x -= (event.deltaX || event.deltaY) * unit;
      this.touched = true;
      this.on.moved();
      return;
    }
    const speed = event.ctrlKey ? 0.01 : 0.0016;
    this.zoom(Math.exp(-event.deltaY * unit * speed), event.clientX - left, event.clientY - top);
  }

  /** @param {PointerEvent} event */
  down(event) {
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.travelled = 0;
    this.element.setPointerCapture(event.pointerId);
  }

  /** @param {PointerEvent} event */
  move(event) {
    const { left, top } = this.element.getBoundingClientRect();
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      this.on.hovered(event.clientX - left, event.clientY - top);
      return;
    }
    const now = { x: event.clientX, y: event.clientY };
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const factor =
        Math.hypot(now.x - other.x, now.y - other.y) / Math.max(1, Math.hypot(before.x - other.x, before.y - other.y));
      this.zoom(factor, (now.x + other.x) / 2 - left, (now.y + other.y) / 2 - top);
    } else {
      this.x += now.x - before.x;
      this.y += now.y - before.y;
      this.on.moved();
    }
    this.travelled += Math.hypot(now.x - before.x, now.y - before.y);
    if (this.travelled > 4) this.touched = true;
    this.pointers.set(event.pointerId, now);
  }

  /** @param {PointerEvent} event */
  up(event) {
    const wasDown = this.pointers.delete(event.pointerId);
    if (!wasDown || this.pointers.size > 0 || this.travelled > 4) return;
    const { left, top } = this.element.getBoundingClientRect();
    this.on.tapped(event.clientX - left, event.clientY - top);
  }
}
