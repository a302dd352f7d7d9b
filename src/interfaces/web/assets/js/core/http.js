/**
 * Requests to the server that this page came from. Every refusal becomes a {@link Problem}, so that each place that asks can
 * show the code and the next command.
 */

/** Why something was not done, as the server's `application/problem+json` tells it. */
export class Problem extends Error {
  /** @param {Partial<import("../model/types.js").ProblemBody> & {status: number}} body */
  constructor(body) {
    super(body.detail || body.title || "the request was refused");
    this.status = body.status;
    this.code = body.code ?? "";
    this.title = body.title ?? "";
    this.causes = body.causes ?? [];
    this.next = body.next ?? null;
    this.diagnostics = body.diagnostics?.shown ?? [];
    this.inputs = body.inputs ?? [];
  }
}

/** @type {() => void} */
let signedOut = () => {};

/**
 * Says what is done when the server no longer knows who asks.
 *
 * @param {() => void} then
 */
export function whenSignedOut(then) {
  signedOut = then;
}

/**
 * @param {string} path below the server's root
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export function get(path, signal) {
  return send("GET", path, undefined, { signal });
}

/**
 * @param {string} path
 * @param {unknown} body
 * @param {{signal?: AbortSignal, key?: string}} [options] `key`: what makes a second try the same request
 * @returns {Promise<any>}
 */
export function post(path, body, options = {}) {
  return send("POST", path, body, options);
}

/**
 * @param {string} path
 * @returns {Promise<any>}
 */
export function remove(path) {
  return send("DELETE", path, undefined, {});
}

/**
 * A path with its parts and query escaped.
 *
 * @param {string[]} parts
 * @param {Record<string, string | number | boolean | null | undefined>} [query]
 */
export function path(parts, query = {}) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") search.set(name, String(value));
  }
  const text = search.toString();
  return `/api/v1/${parts.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}

/** A key for a request that may be sent twice and must count once. */
export function freshKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {string} method
 * @param {string} where
 * @param {unknown} body
 * @param {{signal?: AbortSignal, key?: string}} options
 */
async function send(method, where, body, { signal, key }) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  /** @type {Response} */
  let response;
  try {
    response = await fetch(where, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
      credentials: "same-origin",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem({
      status: 0,
      code: "",
      title: "no connection",
      detail: "the server cannot be reached",
      next: "Start it again with `wfctl serve`.",
    });
  }
  if (response.ok) {
    const isJson = (response.headers.get("Content-Type") ?? "").includes("json");
    return response.status === 204 ? null : isJson ? response.json() : response.text();
  }
  if (response.status === 401 && where !== "/login") signedOut();
  throw await problemOf(response);
}

/** @param {Response} response */
async function problemOf(response) {
  const text = await response.text();
  try {
    return new Problem({ ...JSON.parse(text), status: response.status });
  } catch {
    return new Problem({
      status: response.status,
      title: `${response.status} ${response.statusText}`,
      detail: text.slice(0, 400),
    });
  }
}
