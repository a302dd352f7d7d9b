//! The code index: which symbols a tree defines, where, and how often they are mentioned; and the repository map made of it.
//!
//! [`Index::update`] walks the tree, reads each source file and parses those whose content is not in the cache; [`Map`]
//! renders what matters most within a budget. The same tree always gives the same index, whatever the cache held. tree-sitter
//! stays in here. Reading order: `symbol`, `language`, `extract`, `rules/`, `update`, `cache`, `map`.

mod cache;
mod extract;
mod language;
mod map;
mod rules;
mod shared;
mod symbol;
mod update;

#[cfg(test)]
mod tests;

pub use cache::cache_file;
pub use language::Language;
pub use map::Map;
pub use shared::Indexes;
pub use symbol::{Symbol, SymbolKind};
pub use update::Error;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path below the root, with `/`.
    pub path: String,
    /// What it is written in.
    pub language: Language,
    /// Its length.
    pub bytes: u64,
    /// What it defines and mentions.
    pub outline: Outline,
}

/// What a parse finds in a file; the same content always has the same one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Outline {
    /// What it defines, in its order.
    pub symbols: Vec<Symbol>,
    /// How often each identifier stands in it, definitions included; sorted by name.
    pub mentions: Vec<(String, u32)>,
}

impl Outline {
    /// How often `name` stands in the file.
    pub fn mentions_of(&self, name: &str) -> u32 {
        let at = self.mentions.binary_search_by(|(it, _)| it.as_str().cmp(name));
        at.map_or(0, |at| self.mentions[at].1)
    }
}

/// A source file that is not in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its path below the root.
    pub path: String,
    /// Why.
    pub why: Why,
}

/// Why a source file is not in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Larger than [`crate::domain::limits::INDEX_FILE_BYTES`].
    TooLarge,
    /// No text.
    Binary,
    /// Written by a program for programs: lines that nobody reads.
    Minified,
    /// It could not be read.
    Unreadable,
    /// Parsing it takes too long.
    TooHard,
}

impl Why {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::TooLarge => "too-large",
            Self::Binary => "binary",
            Self::Minified => "minified",
            Self::Unreadable => "unreadable",
            Self::TooHard => "too-hard",
        }
    }
}

/// How much there is of a language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// Files.
    pub files: usize,
    /// Symbols in them.
    pub symbols: usize,
    /// Their length in all.
    pub bytes: u64,
}

/// The index of a tree at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Index {
    /// The files, by path.
    pub files: Vec<SourceFile>,
    /// Those that were left out, by path.
    pub skipped: Vec<Skipped>,
    /// How many contents were parsed for it; the others came from the cache.
    pub parsed: usize,
    /// Whether there were more files than [`crate::domain::limits::INDEX_FILES`].
    pub is_cut: bool,
}

impl Index {
    /// The definitions of `name`, in the order of files and lines. `Container.name` and `Container::name` ask for one of a
    /// container.
    pub fn definitions(&self, name: &str) -> Vec<(&SourceFile, &Symbol)> {
        let split = name.rsplit_once("::").or_else(|| name.rsplit_once('.'));
        let (container, name) = split.map_or((None, name), |(container, name)| (Some(container), name));
        let is_it = |symbol: &&Symbol| {
            let same = container.is_none_or(|wanted| symbol.container.as_deref().is_some_and(|it| ends_in(it, wanted)));
            symbol.name == name && same
        };
        let of_file = |file| {
            let file: &SourceFile = file;
            file.outline.symbols.iter().filter(is_it).map(move |symbol| (file, symbol))
        };
        self.files.iter().flat_map(of_file).collect()
    }

    /// How often `name` is mentioned where it is not defined. By name alone: two things of one name share the count.
    pub fn references(&self, name: &str) -> u32 {
        let mentions: u32 = self.files.iter().map(|file| file.outline.mentions_of(name)).sum();
        let symbols = self.files.iter().flat_map(|file| &file.outline.symbols);
        let defined = symbols.filter(|symbol| symbol.name == name).count();
        mentions.saturating_sub(u32::try_from(defined).unwrap_or(u32::MAX))
    }

    /// How much there is of each language.
    pub fn languages(&self) -> BTreeMap<Language, Amount> {
        let mut languages: BTreeMap<Language, Amount> = BTreeMap::new();
        for file in &self.files {
            let amount = languages.entry(file.language).or_default();
            amount.files += 1;
            amount.symbols += file.outline.symbols.len();
            amount.bytes += file.bytes;
        }
        languages
    }
}

/// Whether the container `whole` is `wanted`, or ends in it: `tests::Rig` in `Rig`.
fn ends_in(whole: &str, wanted: &str) -> bool {
    let before = whole.strip_suffix(wanted);
    before.is_some_and(|before| before.is_empty() || before.ends_with("::") || before.ends_with('.'))
}
