//! The repository map: the signatures that matter most, within a budget.
//!
//! A symbol's weight is how often other files mention its name, at most [`MENTIONS_PER_FILE`] times each, shared among all
//! files that define that name: `new` weighs little, however often it is called. Types weigh more than functions, and these
//! more than methods, whose names are often those of a library or of a variable too. What other files cannot see, and tests,
//! weigh nothing. A file's weight is that of its symbols; files that the asked-for words occur in come before all others.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Index, Language, SourceFile, Symbol, SymbolKind};

/// How a budget in tokens is held without a tokenizer: code has about four bytes a token.
const BYTES_PER_TOKEN: usize = 4;
/// More mentions of a name in one file say no more about its importance.
const MENTIONS_PER_FILE: u32 = 2;
/// The `n`th symbol of a file comes in the order where the first one of a file `n * n / SPREAD` places further on does: the
/// first files are shown in more detail than later ones, and do not fill the map.
const SPREAD: usize = 8;
/// Weights are whole numbers, so that they are the same everywhere.
const UNIT: u64 = 1_000;
/// Room kept for the line that says what is left out.
const REST_BYTES: usize = 48;

/// Renders maps.
#[derive(Debug, Clone, Copy)]
pub struct Map;

impl Map {
    /// A map of at most `budget_tokens` (four bytes each): per file its path and, indented, signatures in their order, those of
    /// a container below its name. `focus` are words: files with one of them in their path or in a symbol's name come first.
    /// The same index gives the same map. A budget too small for a single symbol gives an empty one.
    pub fn render(index: &Index, budget_tokens: usize, focus: &[&str]) -> String {
        let budget = budget_tokens.saturating_mul(BYTES_PER_TOKEN);
        let focus: Vec<String> = focus.iter().map(|it| it.to_lowercase()).filter(|it| !it.is_empty()).collect();
        let ranked = ranked(index, &focus);
        let chosen = choose(&ranked, budget);
        let mut text = String::new();
        for (file, picked) in ranked.iter().zip(&chosen).filter(|(_, picked)| !picked.is_empty()) {
            lines(file.file, picked, &mut text);
        }
        let left = chosen.iter().filter(|picked| picked.is_empty()).count();
        if left > 0 && !text.is_empty() {
            text.push_str(&format!("({left} more files)\n"));
        }
        text
    }
}

/// A file at its place in the map.
struct Ranked<'i> {
    file: &'i SourceFile,
    /// Its symbols, most important first.
    symbols: Vec<&'i Symbol>,
}

fn ranked<'i>(index: &'i Index, focus: &[String]) -> Vec<Ranked<'i>> {
    let weights = weights(index);
    let mut files: Vec<(u64, u64, Ranked<'i>)> = Vec::new();
    for (at, file) in index.files.iter().enumerate() {
        let traits: HashSet<&str> = interfaces(file);
        let weight = |symbol: &Symbol| {
            let by_name = weights.get(&(at, symbol.name.as_str())).copied().unwrap_or(0);
            by_name * share(file.language, symbol, &traits)
        };
        let mut symbols: Vec<(u64, u64, &Symbol)> = file
            .outline
            .symbols
            .iter()
            .filter(|symbol| is_product(symbol))
            .map(|symbol| (hits(&symbol.name, focus), weight(symbol), symbol))
            .collect();
        symbols.sort_by_key(|(hits, weight, symbol)| (Reverse(*hits), Reverse(*weight), symbol.lines));
        let mut named: HashSet<&str> = HashSet::new();
        let own: u64 = symbols.iter().filter(|it| named.insert(&it.2.name)).map(|it| it.1).sum();
        // A word in the path says more than one in a name; many names with it say no more than a few.
        let hit = 4 * hits(&file.path, focus) + symbols.iter().map(|it| it.0).sum::<u64>().min(3);
        let own = if is_test_file(&file.path) { 0 } else { own };
        files.push((hit, own, Ranked { file, symbols: symbols.into_iter().map(|it| it.2).collect() }));
    }
    files.retain(|(.., file)| !file.symbols.is_empty());
    files.sort_by(|a, b| (b.0, b.1, &a.2.file.path).cmp(&(a.0, a.1, &b.2.file.path)));
    files.into_iter().map(|it| it.2).collect()
}

fn interfaces(file: &SourceFile) -> HashSet<&str> {
    let all = file.outline.symbols.iter().filter(|symbol| symbol.kind == SymbolKind::Interface);
    all.map(|symbol| symbol.name.as_str()).collect()
}

/// How much a mention of a symbol's name says about the symbol; nothing where other files cannot mean it.
fn share(language: Language, symbol: &Symbol, interfaces: &HashSet<&str>) -> u64 {
    let is_visible = match language {
        Language::Rust => {
            let in_interface = symbol.container.as_deref().is_some_and(|name| interfaces.contains(name));
            in_interface || symbol.signature.starts_with("pub") || symbol.kind == SymbolKind::Macro
        }
        Language::Python => !symbol.name.starts_with('_'),
        Language::Go => symbol.name.starts_with(char::is_uppercase),
        Language::TypeScript | Language::Tsx | Language::JavaScript => !symbol.name.starts_with('#'),
    };
    let share = match symbol.kind {
        SymbolKind::Type | SymbolKind::Interface => 8,
        SymbolKind::Function | SymbolKind::Constant | SymbolKind::Macro => 4,
        SymbolKind::Method => 1,
    };
    if is_visible { share } else { 0 }
}

/// How many of the words are in `text`.
fn hits(text: &str, focus: &[String]) -> u64 {
    if focus.is_empty() {
        return 0;
    }
    let text = text.to_lowercase();
    focus.iter().filter(|word| text.contains(word.as_str())).count() as u64
}

/// What a name weighs in a file that defines it.
fn weights(index: &Index) -> HashMap<(usize, &str), u64> {
    let mut definers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, file) in index.files.iter().enumerate() {
        for symbol in file.outline.symbols.iter().filter(|symbol| is_product(symbol)) {
            let files = definers.entry(&symbol.name).or_default();
            if files.last() != Some(&at) {
                files.push(at);
            }
        }
    }
    let mut mentions: HashMap<&str, u64> = HashMap::new();
    let mut own: HashMap<(usize, &str), u64> = HashMap::new();
    for (at, file) in index.files.iter().enumerate() {
        for (name, count) in &file.outline.mentions {
            if let Some(files) = definers.get(name.as_str()) {
                let count = u64::from(*count.min(&MENTIONS_PER_FILE));
                *mentions.entry(name).or_default() += count;
                if files.binary_search(&at).is_ok() {
                    own.insert((at, name), count);
                }
            }
        }
    }
    let mut weights = HashMap::new();
    for (name, files) in &definers {
        let all = mentions.get(name).copied().unwrap_or(0);
        for at in files {
            let elsewhere = all - own.get(&(*at, *name)).copied().unwrap_or(0).min(all);
            weights.insert((*at, *name), UNIT * elsewhere / files.len() as u64);
        }
    }
    weights
}

/// Whether a symbol is more than a test.
fn is_product(symbol: &Symbol) -> bool {
    let container = symbol.container.as_deref().unwrap_or_default();
    !matches!(container.split("::").next(), Some("tests" | "test"))
}

fn is_test_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let in_folder = path.split('/').rev().skip(1).any(|it| matches!(it, "tests" | "test" | "__tests__" | "benches"));
    let by_name = name.starts_with("test_")
        || name == "tests.rs"
        || ["_test.", ".test.", ".spec."].iter().any(|it| name.contains(it));
    in_folder || by_name
}

/// Which symbols of each file fit: taken by the place of their file and their place in it, as long as there is room.
fn choose<'i>(ranked: &[Ranked<'i>], budget: usize) -> Vec<Vec<&'i Symbol>> {
    let mut chosen: Vec<Vec<&Symbol>> = ranked.iter().map(|_| Vec::new()).collect();
    let mut order: Vec<(usize, usize, usize)> = Vec::new();
    for (place, file) in ranked.iter().enumerate() {
        order.extend((0..file.symbols.len()).map(|at| (place + at * at / SPREAD, place, at)));
    }
    order.sort_unstable();
    let mut room = budget.saturating_sub(REST_BYTES);
    let mut containers: HashSet<(usize, &str)> = HashSet::new();
    for (_, place, at) in order {
        let (file, symbol) = (ranked[place].file, ranked[place].symbols[at]);
        let path = if chosen[place].is_empty() { file.path.len() + 1 } else { 0 };
        let container = symbol.container.as_deref().filter(|name| !containers.contains(&(place, *name)));
        let signature = symbol.signature.len() + if symbol.container.is_some() { 5 } else { 3 };
        let needed = path + signature + container.map_or(0, |name| name.len() + 4);
        if needed > room {
            break;
        }
        room -= needed;
        containers.extend(container.map(|name| (place, name)));
        chosen[place].push(symbol);
    }
    chosen
}

/// A file in the map. Symbols of one container that stand apart are put together.
fn lines(file: &SourceFile, picked: &[&Symbol], text: &mut String) {
    text.push_str(&file.path);
    text.push('\n');
    let mut groups: Vec<(Option<&str>, Vec<&Symbol>)> = Vec::new();
    let mut picked = picked.to_vec();
    picked.sort_by_key(|symbol| symbol.lines);
    for symbol in picked {
        let container = symbol.container.as_deref();
        match groups.iter_mut().find(|(name, _)| *name == container) {
            Some((_, symbols)) if container.is_some() => symbols.push(symbol),
            Some(_) | None => groups.push((container, vec![symbol])),
        }
    }
    for (container, symbols) in groups {
        if let Some(name) = container {
            text.push_str(&format!("  {name}:\n"));
        }
        let indent = if container.is_some() { "    " } else { "  " };
        for symbol in symbols {
            text.push_str(&format!("{indent}{}\n", symbol.signature));
        }
    }
}
