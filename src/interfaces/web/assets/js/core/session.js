/** Who uses the page, and what that role may do. Three roles, each with the rights of those before it. */
import { get } from "./http.js";

/** @typedef {"read" | "operate" | "admin"} Role */

const ORDER = ["read", "operate", "admin"];
/** @type {Role | null} */
let role = null;

/** Asks the server. `null`: nobody it knows. */
export async function loadSession() {
  try {
    role = (await get("/api/v1/session")).role;
  } catch (problem) {
    if (/** @type {any} */ (problem).status !== 401) throw problem;
    role = null;
  }
  return role;
}

/** The role, once it was loaded. */
export function currentRole() {
  return role;
}

/** @param {Role} needed */
export function may(needed) {
  return role !== null && ORDER.indexOf(role) >= ORDER.indexOf(needed);
}
