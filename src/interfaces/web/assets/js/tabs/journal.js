/** The journal: every record, with filters; each can be opened, linked to, and forked from. */
import { fill, h } from "../core/dom.js";
import { exactTime, moment, plural } from "../core/format.js";
import { get, path } from "../core/http.js";
import { setQuery } from "../core/router.js";
import { GROUPS, actorWords, kindOf, say } from "../model/record_words.js";
import { fork, refusedFor } from "../parts/actions.js";
import { copyButton } from "../parts/command.js";
import { select } from "../parts/field.js";
import { icon } from "../parts/icons.js";
import { problem } from "../parts/problem.js";
import { VirtualList } from "../parts/virtual_list.js";

const ROW = 26;
const PAGE = 1000;
/** Records that are kept on the page. */
const MOST = 20_000;

/** @typedef {import("../model/types.js").RecordView} RecordView */

/** @type {import("../pages/project.js").Tab} */
export function journalTab(place, model, scope, query) {
  const wanted = { group: query.get("kind") ?? "", task: query.get("task") ?? "", text: "" };
  /** @type {RecordView[]} */
  let records = [];
  /** The position before the first record that is here; 0: all are. */
  let first = 0;
  let chosen = Number(query.get("seq") ?? 0);
  const nameOf = (/** @type {number} */ ix) => model.nameOf(ix);
  const search = h("input", {
    class: "input",
    type: "search",
    placeholder: "Search these records",
    "aria-label": "Search records",
    autocomplete: "off",
  });
  const number = h("span", { class: "small muted", role: "status" });
  const refusal = h("div", null);
  const details = h("aside", { class: "journal-details panel", "aria-label": "The chosen record", hidden: true });
  const earlier = h(
    "button",
    { class: "button small", type: "button", hidden: true, on: { click: () => load(Math.max(0, first - PAGE)) } },
    "Earlier records",
  );
  const list = new VirtualList(scope, {
    label: "Records",
    height: ROW,
    class: "journal panel",
    key: (/** @type {RecordView} */ record) => String(record.seq),
    signature: (record) => `${record.seq === chosen}`,
    render: (record) => recordRow(record, nameOf, record.seq === chosen, () => choose(record)),
  });

  const fits = () => {
    const text = wanted.text.toLowerCase();
    const kinds = wanted.group
      ? new Set(GROUPS[/** @type {import("../model/record_words.js").Group} */ (wanted.group)]?.kinds)
      : null;
    return records.filter((record) => {
      if (kinds && !kinds.has(kindOf(record.event)[0])) return false;
      if (wanted.task && record.task !== wanted.task) return false;
      if (!text) return true;
      const { kind, text: words } = say(record.event, nameOf);
      return `${record.seq} ${kind} ${record.task ?? ""} ${actorWords(record.actor)} ${words}`.toLowerCase().includes(text);
    });
  };
  const show = (follow = false) => {
    const shown = fits();
    number.textContent = `${plural(shown.length, "record")}${first > 0 ? ` since ${first + 1}` : ""}`;
    earlier.hidden = first === 0;
    list.show(shown, { follow });
    return shown;
  };
  const choose = (/** @type {RecordView | null} */ record) => {
    chosen = record?.seq ?? 0;
    setQuery({ seq: chosen ? String(chosen) : null });
    details.hidden = !record;
    if (record)
      fill(
        details,
        recordDetails(record, model, () => choose(null)),
      );
    list.draw();
  };
  const load = async (/** @type {number} */ from) => {
    try {
      /** @type {RecordView[]} */
      const found = [];
      for (let next = from; next !== null && found.length < MOST; ) {
        const page = await get(path(["projects", model.id, "records"], { from: next, limit: PAGE }), scope.signal);
        found.push(...page.records);
        if (first > 0 && (found.at(-1)?.seq ?? 0) >= first) break;
        next = page.next;
      }
      if (scope.over) return;
      const known = new Set(found.map((record) => record.seq));
      const isFirst = records.length === 0;
      records = [...found, ...records.filter((record) => !known.has(record.seq))];
      first = from;
      fill(refusal);
      const shown = show();
      const at = shown.findIndex((record) => record.seq === chosen);
      if (at >= 0) choose(shown[at]);
      if (at >= 0) list.reveal(at);
      else if (isFirst) list.root.scrollTop = list.root.scrollHeight;
    } catch (error) {
      if (!scope.over)
        fill(
          refusal,
          problem(error, () => load(from)),
        );
    }
  };

  /** @type {[string, string][]} */
  const groups = [
    ["", "All kinds"],
    ...Object.entries(GROUPS).map(([name, { word }]) => /** @type {[string, string]} */ ([name, word])),
  ];
  const kind = select(
    {
      class: "input",
      "aria-label": "Kind of records",
      on: {
        change: (/** @type {any} */ event) => {
          wanted.group = event.target.value;
          setQuery({ kind: wanted.group });
          show();
        },
      },
    },
    groups,
    wanted.group,
  );
  const names = model.view.tasks.map((task) => /** @type {[string, string]} */ ([task.name, task.name]));
  const task = select(
    {
      class: "input",
      "aria-label": "Task",
      on: {
        change: (/** @type {any} */ event) => {
          wanted.task = event.target.value;
          setQuery({ task: wanted.task });
          show();
        },
      },
    },
    [["", "All tasks"], ...names],
    wanted.task,
  );
  search.addEventListener("input", () => {
    wanted.text = search.value.trim();
    show();
  });
  place.append(
    h(
      "div",
      { class: "filters" },
      h("div", { class: "search" }, icon("search"), search),
      h("div", { class: "narrow" }, kind),
      h("div", { class: "narrow" }, task),
      number,
      earlier,
    ),
    refusal,
    h("div", { class: "journal-area" }, list.root, details),
  );
  list.root.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by) return;
    const at = list.items.findIndex((record) => record.seq === chosen);
    const to = at < 0 ? (by > 0 ? 0 : list.items.length - 1) : Math.min(Math.max(at + by, 0), list.items.length - 1);
    if (!list.items[to]) return;
    choose(list.items[to]);
    list.reveal(to);
    event.preventDefault();
  });
  model.read((record) => {
    if (record.seq <= (records.at(-1)?.seq ?? first)) return;
    records.push(record);
    if (records.length > MOST) {
      records = records.slice(-MOST);
      first = records[0].seq - 1;
    }
    show(true);
  }, scope);
  // A long journal is shown from its end.
  const from =
    chosen > 0 && chosen < model.view.seq - PAGE ? Math.max(0, chosen - PAGE / 2) : Math.max(0, model.view.seq - 2 * PAGE);
  first = from;
  load(from);
}

/**
 * @param {RecordView} record
 * @param {(ix: number) => string} nameOf
 * @param {boolean} isChosen
 * @param {() => void} choose
 */
function recordRow(record, nameOf, isChosen, choose) {
  const { kind, tone, text } = say(record.event, nameOf);
  return h(
    "div",
    { class: "record", data: { tone, current: isChosen ? "" : undefined } },
    h("span", { class: "record-seq" }, record.seq),
    h("span", { class: "record-time", title: moment(record.at) }, exactTime(record.at)),
    h(
      "button",
      { class: "record-kind", type: "button", tabindex: -1, "aria-expanded": String(isChosen), on: { click: choose } },
      kind,
    ),
    h("span", { class: "record-task clip", title: record.task ?? "" }, record.task),
    h("span", { class: "record-text clip", title: text }, text),
  );
}

/**
 * @param {RecordView} record
 * @param {import("../model/project.js").ProjectModel} model
 * @param {() => void} close
 */
function recordDetails(record, model, close) {
  const { kind, text } = say(record.event, (ix) => model.nameOf(ix));
  const json = JSON.stringify(kindOf(record.event)[1], null, 2);
  const refused = refusedFor("operate");
  return h(
    "div",
    { class: "body stack" },
    h(
      "div",
      { class: "row" },
      h("h2", null, `${record.seq} ${kind}`),
      h(
        "button",
        { class: "button quiet small icon-only push", type: "button", "aria-label": "Close", on: { click: close } },
        icon("x"),
      ),
    ),
    h("p", { class: "wrap-anywhere" }, record.task && h("strong", null, `${record.task} `), text),
    h(
      "dl",
      { class: "facts" },
      h("dt", null, "When"),
      h("dd", null, `${moment(record.at)} (${exactTime(record.at)})`),
      h("dt", null, "By"),
      h("dd", null, actorWords(record.actor)),
      h("dt", null, "Epoch"),
      h("dd", null, record.epoch),
      h("dt", null, "Hash"),
      h("dd", { class: "mono small" }, record.hash),
    ),
    h(
      "div",
      { class: "row wrap" },
      h(
        "button",
        {
          class: "button small",
          type: "button",
          "aria-disabled": refused ? "true" : undefined,
          title: refused ?? undefined,
          on: { click: () => refused || fork(model, record.seq) },
        },
        icon("fork"),
        "Fork from here…",
      ),
      copyButton(json, "Copy the record"),
    ),
    h("pre", { class: "code-block", tabindex: 0 }, json),
  );
}
