/**
 * Colours for code in diffs, line by line: comments, texts, numbers, keywords. Enough to read by; it does not parse.
 *
 * @typedef {{text: string, kind: "" | "comment" | "string" | "number" | "keyword" | "name"}} Token
 */

const C_LIKE =
  "if else for while do switch case default break continue return new this throw try catch finally import export from in of typeof instanceof void null true false";

/** @type {Record<string, {words: string, line?: string, strings?: string}>} */
const LANGUAGES = {
  rust: {
    words:
      "as async await break const continue crate dyn else enum extern false fn for if impl in let loop match mod move mut pub ref return self Self static struct super trait true type unsafe use where while",
    line: "//",
    strings: '"',
  },
  script: {
    words: `${C_LIKE} async await class const extends function let static super var yield interface type enum implements readonly`,
    line: "//",
    strings: "\"'`",
  },
  python: {
    words:
      "and as assert async await break class continue def del elif else except False finally for from global if import in is lambda None nonlocal not or pass raise return True try while with yield",
    line: "#",
    strings: "\"'",
  },
  go: {
    words:
      "break case chan const continue default defer else fallthrough for func go goto if import interface map package range return select struct switch type var nil true false",
    line: "//",
    strings: "\"'`",
  },
  c: {
    words: `${C_LIKE} class const enum extern int char long double float bool struct static public private protected void unsigned template typename namespace using virtual override auto final package`,
    line: "//",
    strings: "\"'",
  },
  shell: {
    words: "if then else elif fi for in do done while case esac function return local export set exit",
    line: "#",
    strings: "\"'",
  },
  data: { words: "true false null yes no", line: "#", strings: "\"'" },
  json: { words: "true false null", strings: '"' },
  css: { words: "", strings: "\"'" },
  sql: {
    words:
      "select from where insert into update delete create table index drop alter join left right inner outer on group by order limit values and or not null primary key SELECT FROM WHERE INSERT INTO UPDATE DELETE CREATE TABLE INDEX DROP ALTER JOIN LEFT RIGHT INNER OUTER ON GROUP BY ORDER LIMIT VALUES AND OR NOT NULL PRIMARY KEY",
    line: "--",
    strings: "'",
  },
};

/** @type {Record<string, string>} */
const BY_ENDING = {
  rs: "rust",
  js: "script",
  mjs: "script",
  cjs: "script",
  ts: "script",
  tsx: "script",
  jsx: "script",
  py: "python",
  go: "go",
  c: "c",
  h: "c",
  cc: "c",
  cpp: "c",
  hpp: "c",
  java: "c",
  cs: "c",
  kt: "c",
  swift: "c",
  sh: "shell",
  bash: "shell",
  yaml: "data",
  yml: "data",
  toml: "data",
  ini: "data",
  json: "json",
  css: "css",
  sql: "sql",
};

/** @type {Map<string, RegExp>} */
const lexers = new Map();

/**
 * The tokens of a line of a file.
 *
 * @param {string} line
 * @param {string} path
 * @returns {Token[]}
 */
export function tokens(line, path) {
  const language = BY_ENDING[path.slice(path.lastIndexOf(".") + 1).toLowerCase()];
  if (!language || line.length > 2000) return [{ text: line, kind: "" }];
  /** @type {Token[]} */
  const found = [];
  let from = 0;
  for (const match of line.matchAll(lexer(language))) {
    if (match.index > from) found.push({ text: line.slice(from, match.index), kind: "" });
    const groups = /** @type {Record<string, string | undefined>} */ (match.groups);
    const kind = /** @type {Token["kind"]} */ (
      ["comment", "string", "number", "keyword", "name"].find((name) => groups[name] !== undefined) ?? ""
    );
    found.push({ text: match[0], kind });
    from = match.index + match[0].length;
  }
  if (from < line.length) found.push({ text: line.slice(from), kind: "" });
  return found;
}

/** @param {string} language */
function lexer(language) {
  let made = lexers.get(language);
  if (!made) {
    const { words, line, strings = "" } = LANGUAGES[language];
    const texts = [...strings].map((quote) => `${quote}(?:\\\\.|[^${quote}\\\\])*${quote}?`);
    const comment = line ? `${line === "#" ? "(?<![\\w$])#" : line}.*|/\\*.*?(?:\\*/|$)` : "/\\*.*?(?:\\*/|$)";
    const parts = [
      `(?<comment>${comment})`,
      texts.length ? `(?<string>${texts.join("|")})` : "",
      "(?<number>\\b\\d[\\w.]*\\b)",
      words ? `(?<keyword>\\b(?:${words.split(" ").join("|")})\\b)` : "",
      "(?<name>\\b[A-Za-z_]\\w*(?=\\())",
    ];
    made = new RegExp(parts.filter(Boolean).join("|"), "g");
    lexers.set(language, made);
  }
  return made;
}
