/** Times, amounts and sizes in words. */

/**
 * How long something takes: two units at most.
 *
 * @param {number} ms
 */
export function duration(ms) {
  if (ms < 0) ms = 0;
  if (ms < 1000) return `${Math.round(ms)}ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)}s`;
  const seconds = Math.floor(ms / 1000);
  const [d, hours, minutes, rest] = [
    Math.floor(seconds / 86400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
    seconds % 60,
  ];
  if (d > 0) return hours ? `${d}d ${hours}h` : `${d}d`;
  if (hours > 0) return minutes ? `${hours}h ${minutes}m` : `${hours}h`;
  if (minutes > 0) return rest ? `${minutes}m ${rest}s` : `${minutes}m`;
  return `${rest}s`;
}

/**
 * How long ago a moment was.
 *
 * @param {number} then
 * @param {number} [now]
 */
export function ago(then, now = Date.now()) {
  const ms = now - then;
  if (ms < 5000) return "just now";
  return `${coarse(ms)} ago`;
}

/**
 * A duration in its largest unit.
 *
 * @param {number} ms
 */
export function coarse(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86400)}d`;
}

const DATE = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** @param {number} at */
export function moment(at) {
  return DATE.format(at);
}

/** @param {number} at */
export function timeOfDay(at) {
  return TIME.format(at);
}

/**
 * Time of day to the millisecond, for journals.
 *
 * @param {number} at
 */
export function exactTime(at) {
  return `${TIME.format(at)}.${String(at % 1000).padStart(3, "0")}`;
}

/**
 * Millionths of a US dollar, with as many digits as tell something.
 *
 * @param {number} micros
 */
export function money(micros) {
  const dollars = micros / 1_000_000;
  const digits = micros === 0 || dollars >= 1 ? 2 : dollars >= 0.01 ? 4 : 6;
  return `$${dollars.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
}

/** @param {number} value */
export function count(value) {
  return value.toLocaleString("en-US");
}

/**
 * A large number in a few characters.
 *
 * @param {number} value
 */
export function short(value) {
  if (value < 10_000) return count(value);
  if (value < 1_000_000) return `${(value / 1000).toFixed(value < 100_000 ? 1 : 0)}k`;
  return `${(value / 1_000_000).toFixed(value < 100_000_000 ? 1 : 0)}M`;
}

/** @param {number} value */
export function bytes(value) {
  if (value < 1024) return `${value} B`;
  const units = ["KiB", "MiB", "GiB"];
  let size = value / 1024;
  let at = 0;
  while (size >= 1024 && at < units.length - 1) {
    size /= 1024;
    at += 1;
  }
  return `${size.toFixed(size < 10 ? 1 : 0)} ${units[at]}`;
}

/**
 * `1 task`, `2 tasks`.
 *
 * @param {number} number
 * @param {string} noun
 */
export function plural(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}
