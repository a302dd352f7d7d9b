/** A long list of rows of one height, of which only those in sight are on the page. */
import { h, keyed } from "../core/dom.js";

const SPARE = 8;

/** @template I */
export class VirtualList {
  /**
   * @param {import("../core/scope.js").Scope} scope
   * @param {{label: string, height: number, key: (item: I) => string, signature: (item: I) => string, render: (item: I, at: number) => HTMLElement,
   *   role?: string, class?: string}} how
   */
  constructor(scope, how) {
    this.how = how;
    /** @type {I[]} */
    this.items = [];
    this.inner = h("div", { class: "virtual-inner", role: how.role ?? "list" });
    this.root = h(
      "div",
      { class: `virtual ${how.class ?? ""}`.trim(), tabindex: 0, role: "region", "aria-label": how.label },
      this.inner,
    );
    /** Whether the last row was in sight when somebody scrolled last. */
    this.isAtEnd = true;
    this.follows = false;
    const scrolled = () => {
      const { scrollTop, clientHeight, scrollHeight } = this.root;
      this.isAtEnd = scrollTop + clientHeight >= scrollHeight - 2 * how.height;
      this.draw();
    };
    this.root.addEventListener("scroll", scrolled, { passive: true });
    const resized = new ResizeObserver(() => this.settle());
    resized.observe(this.root);
    scope.own(() => resized.disconnect());
  }

  /**
   * Shows other rows. Who was at the end stays there.
   *
   * @param {I[]} items
   * @param {{follow?: boolean}} [options]
   */
  show(items, { follow = false } = {}) {
    this.items = items;
    this.follows = follow;
    this.inner.style.height = `${items.length * this.how.height}px`;
    this.settle();
  }

  /** Draws what is in sight now; who follows is at the end. */
  settle() {
    if (this.follows && this.isAtEnd) this.root.scrollTop = this.root.scrollHeight;
    this.draw();
  }

  /**
   * Brings a row into sight.
   *
   * @param {number} at
   */
  reveal(at) {
    const top = at * this.how.height;
    const { scrollTop, clientHeight } = this.root;
    if (top < scrollTop || top + this.how.height > scrollTop + clientHeight) this.root.scrollTop = top - clientHeight / 2;
    this.draw();
  }

  draw() {
    const { height, key, signature, render } = this.how;
    const first = Math.max(0, Math.floor(this.root.scrollTop / height) - SPARE);
    const last = Math.min(this.items.length, Math.ceil((this.root.scrollTop + this.root.clientHeight) / height) + SPARE);
    const seen = this.items.slice(first, last).map((item, offset) => ({ item, at: first + offset }));
    keyed(this.inner, seen, {
      key: ({ item }) => key(item),
      signature: ({ item, at }) => `${at}|${signature(item)}`,
      render: ({ item, at }) => {
        const row = render(item, at);
        row.classList.add("virtual-row");
        row.style.top = `${at * height}px`;
        row.style.height = `${height}px`;
        if (!this.how.role) row.setAttribute("role", "listitem");
        row.setAttribute("aria-setsize", String(this.items.length));
        row.setAttribute("aria-posinset", String(at + 1));
        return row;
      },
    });
  }
}
