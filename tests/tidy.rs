//! The house law as a test: who may import whom, what each file opens with, what no file may contain, how large things
//! may grow. Every rule has a test of its own that shows it can fail.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What each room may import of ours. A room not listed here does not exist.
const LAW: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("journal", &["domain"]),
    ("engine", &["domain", "journal", "telemetry"]),
    ("workspace", &["domain", "telemetry"]),
    ("secrets", &["domain", "workspace", "telemetry"]),
    ("agents", &["domain", "workspace", "secrets", "telemetry"]),
    ("steps", &["domain", "engine::ports", "agents", "workspace", "secrets", "telemetry"]),
    ("config", &["domain"]),
    ("telemetry", &[]),
    (
        "interfaces",
        // `samples` for its tests: one record of each kind.
        &[
            "domain",
            "engine",
            "journal::doctor",
            "journal::export",
            "journal::reader",
            "secrets",
            "journal::samples",
            "config",
            "telemetry",
            "app",
        ],
    ),
    (
        "app",
        &[
            "domain",
            "journal",
            "engine",
            "agents",
            "steps",
            "workspace",
            "secrets",
            "interfaces",
            "config",
            "telemetry",
        ],
    ),
    ("main", &["app", "interfaces"]),
    (
        "lib",
        &[
            "app",
            "domain",
            "journal",
            "engine",
            "agents",
            "steps",
            "workspace",
            "secrets",
            "interfaces",
            "config",
            "telemetry",
        ],
    ),
];

/// Names of one room that no other room may mention, wherever they come from.
const PRIVATE_WORDS: &[(&str, &str)] = &[
    ("sled::", "journal"),
    ("git2::", "workspace"),
    ("async_openai::", "agents"),
    ("tree_sitter::", "workspace"),
    ("candle_core::", "agents"),
    ("candle_nn::", "agents"),
    ("tokenizers::", "agents"),
    ("keyring::v1", "secrets"),
    ("vaultrs::", "secrets"),
    ("indicatif::", "interfaces"),
    ("clap::", "interfaces"),
];

/// Longest file, and the few that are allowed more, each with its ratchet: it may shrink, not grow.
const FILE_LINES: usize = 800;
const LONGER_FILES: &[(&str, usize)] = &[];

/// Longest function body.
const FUNCTION_LINES: usize = 100;
const LONGER_FUNCTIONS: &[(&str, &str, usize)] = &[];

/// Leftovers and habits that do not belong here. Split so that this file does not find itself.
const BANNED_TEXTS: &[(&str, &str)] = &[
    (concat!("TO", "DO"), "finish it or file it, do not leave a note"),
    (concat!("FIX", "ME"), "finish it or file it, do not leave a note"),
    (concat!("XX", "X"), "say what is meant"),
    (concat!("#[all", "ow("), "use #[expect(lint, reason = \"..\")]"),
    (concat!("../sh", "ared"), "the repository speaks of the project alone"),
];

#[derive(Debug, PartialEq, Eq)]
struct Breach {
    file: String,
    line: usize,
    rule: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(under: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = vec![root().join(under)];
    while let Some(dir) = open.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries {
            let path = entry.expect("a directory entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                let name = path.strip_prefix(root()).expect("it is below the root").to_string_lossy().into_owned();
                found.push((name, fs::read_to_string(&path).expect("a readable source file")));
            }
        }
    }
    found.sort();
    found
}

fn room_of(file: &str) -> &str {
    let inside = file.strip_prefix("src/").unwrap_or(file);
    inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs")
}

/// The product part of a file: everything before its own tests.
fn product_part(text: &str) -> &str {
    text.find("\n#[cfg(test)]\nmod ").map_or(text, |at| &text[..at])
}

fn imports(file: &str, text: &str) -> Vec<Breach> {
    let room = room_of(file);
    let Some((_, allowed)) = LAW.iter().find(|(name, _)| *name == room) else {
        return vec![Breach { file: file.to_owned(), line: 1, rule: format!("room {room} is not in the law") }];
    };
    let mut breaches = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for (at, _) in code.match_indices("crate::") {
            let target = &code[at + "crate::".len()..];
            let other = target.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
            let known = LAW.iter().any(|(name, _)| *name == other);
            let fine = other == room || !known || allowed.iter().any(|path| target.starts_with(path));
            if !fine {
                let rule = format!("{room} may not import {other}");
                breaches.push(Breach { file: file.to_owned(), line: number + 1, rule });
            }
        }
    }
    breaches
}

fn private_words(file: &str, text: &str) -> Vec<Breach> {
    let room = room_of(file);
    let mut breaches = Vec::new();
    for (number, line) in product_part(text).lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for (word, owner) in PRIVATE_WORDS.iter().filter(|(_, owner)| *owner != room) {
            let at_start = |at: usize| at == 0 || !code.as_bytes()[at - 1].is_ascii_alphanumeric();
            if code.match_indices(word).any(|(at, _)| at_start(at) && !code[..at].ends_with('_')) {
                let rule = format!("{word} stays in {owner}");
                breaches.push(Breach { file: file.to_owned(), line: number + 1, rule });
            }
        }
    }
    breaches
}

fn banned_texts(file: &str, text: &str) -> Vec<Breach> {
    let lines = text.lines().enumerate();
    lines
        .flat_map(|(number, line)| {
            let hits = BANNED_TEXTS.iter().filter(move |(word, _)| line.contains(word));
            hits.map(move |(word, why)| Breach {
                file: file.to_owned(),
                line: number + 1,
                rule: format!("{word}: {why}"),
            })
        })
        .collect()
}

fn opening(file: &str, text: &str) -> Option<Breach> {
    let opens = text.trim_start().starts_with("//!");
    (!opens).then(|| Breach {
        file: file.to_owned(),
        line: 1,
        rule: "opens with a `//!` that says what it is".to_owned(),
    })
}

fn too_long(file: &str, text: &str) -> Option<Breach> {
    let most = LONGER_FILES.iter().find(|(name, _)| *name == file).map_or(FILE_LINES, |(_, most)| *most);
    let lines = product_part(text).lines().count();
    (lines > most).then(|| Breach {
        file: file.to_owned(),
        line: lines,
        rule: format!("{lines} lines, more than {most}"),
    })
}

fn long_functions(file: &str, text: &str) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut open: Option<(usize, String, usize)> = None;
    for (number, line) in product_part(text).lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        if let Some((start, name, of)) = &open
            && line.trim_end() == format!("{}}}", " ".repeat(*of))
        {
            let lines = number - start;
            let longer = LONGER_FUNCTIONS.iter().find(|(in_file, function, _)| in_file == &file && function == name);
            let most = longer.map_or(FUNCTION_LINES, |(.., most)| *most);
            if lines > most {
                let rule = format!("fn {name} has {lines} lines, more than {most}");
                breaches.push(Breach { file: file.to_owned(), line: start + 1, rule });
            }
            open = None;
        }
        let code = line.trim_start();
        let is_fn = ["fn ", "pub fn ", "pub(super) fn ", "pub(crate) fn ", "async fn ", "pub async fn ", "const fn "]
            .iter()
            .any(|start| code.starts_with(start));
        if is_fn && open.is_none() && !code.ends_with(';') && !code.ends_with('}') {
            let name = code.split("fn ").nth(1).unwrap_or_default();
            let name = name.split(['(', '<']).next().unwrap_or_default().to_owned();
            open = Some((number, name, indent));
        }
    }
    breaches
}

fn report(breaches: &[Breach]) {
    let lines: Vec<String> = breaches.iter().map(|b| format!("  {}:{}: {}", b.file, b.line, b.rule)).collect();
    assert!(breaches.is_empty(), "the house law is broken:\n{}", lines.join("\n"));
}

#[test]
fn rooms_import_only_what_they_may() {
    report(&rust_files("src").iter().flat_map(|(file, text)| imports(file, text)).collect::<Vec<_>>());
}

#[test]
fn foreign_types_stay_in_their_room() {
    report(&rust_files("src").iter().flat_map(|(file, text)| private_words(file, text)).collect::<Vec<_>>());
}

#[test]
fn every_file_says_what_it_is() {
    let files = ["src", "tests", "benches"].into_iter().flat_map(rust_files);
    report(&files.filter_map(|(file, text)| opening(&file, &text)).collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_over() {
    let files = ["src", "tests", "benches"].into_iter().flat_map(rust_files);
    report(&files.flat_map(|(file, text)| banned_texts(&file, &text)).collect::<Vec<_>>());
}

#[test]
fn files_and_functions_stay_readable() {
    let files = rust_files("src");
    let mut breaches: Vec<Breach> = files.iter().filter_map(|(file, text)| too_long(file, text)).collect();
    breaches.extend(files.iter().flat_map(|(file, text)| long_functions(file, text)));
    report(&breaches);
}

#[test]
fn the_domain_is_pure() {
    let banned =
        ["std::fs", "std::net", "std::env", "std::process", "std::thread", "tokio", "tracing", "async fn", ".await"];
    let mut breaches = Vec::new();
    for (file, text) in rust_files("src/domain").into_iter().filter(|(file, _)| !file.ends_with("tests.rs")) {
        for (number, line) in product_part(&text).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let whole_word = |word: &str| {
                let after = |at: usize| code[at + word.len()..].chars().next();
                code.match_indices(word)
                    .any(|(at, _)| !after(at).is_some_and(|c| c.is_ascii_alphanumeric() || c == '_'))
            };
            for word in banned.iter().filter(|word| whole_word(word)) {
                breaches.push(Breach {
                    file: file.clone(),
                    line: number + 1,
                    rule: format!("domain/ knows no {word}"),
                });
            }
        }
    }
    report(&breaches);
}

#[test]
fn each_rule_can_fail() {
    let rules = |breaches: Vec<Breach>| breaches.into_iter().map(|breach| breach.rule).collect::<Vec<_>>();
    let bad = "use crate::engine::Core;\n";
    assert_eq!(rules(imports("src/domain/x.rs", bad)), ["domain may not import engine"]);
    assert_eq!(rules(imports("src/steps/x.rs", "use crate::engine::ports::Clock;\n")), [""; 0]);
    assert_eq!(rules(imports("src/steps/x.rs", "use crate::engine::core::Core;\n")), ["steps may not import engine"]);
    assert_eq!(rules(imports("src/cellar/x.rs", "")), ["room cellar is not in the law"]);
    assert_eq!(rules(private_words("src/engine/x.rs", "let db = sled::open();\n")), ["sled:: stays in journal"]);
    assert_eq!(rules(private_words("src/engine/x.rs", "// sled:: is not here\n")), [""; 0]);
    assert_eq!(rules(banned_texts("src/x.rs", concat!("// TO", "DO later\n"))).len(), 1);
    assert!(opening("src/x.rs", "fn main() {}\n").is_some());
    assert!(too_long("src/x.rs", &"x\n".repeat(FILE_LINES + 1)).is_some());
    let long = format!("fn long() {{\n{}}}\n", "    x();\n".repeat(FUNCTION_LINES));
    assert_eq!(long_functions("src/x.rs", &long).len(), 1);
    assert_eq!(long_functions("src/x.rs", "fn short() {\n    x();\n}\n"), []);
}

#[test]
fn the_law_names_only_rooms_that_exist() {
    let mut rooms: BTreeMap<&str, bool> = LAW.iter().map(|(room, _)| (*room, false)).collect();
    let files = rust_files("src");
    for (file, _) in &files {
        if let Some(seen) = rooms.get_mut(room_of(file)) {
            *seen = true;
        }
    }
    let missing: Vec<&&str> = rooms.iter().filter(|(_, seen)| !**seen).map(|(room, _)| room).collect();
    assert!(missing.is_empty(), "rooms without a file: {missing:?}");
}
