/** Lays large graphs out while the page stays responsive. */
import { layOut } from "./layout.js";

self.addEventListener("message", (event) => {
  const { id, input } = event.data;
  self.postMessage({ id, layout: layOut(input) });
});
