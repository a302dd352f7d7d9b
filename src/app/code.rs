//! The code index of a folder, in words that the faces may know.

use std::io;
use std::path::Path;

use serde::Serialize;

use super::App;
use crate::workspace::index::{Error, Index, Map, Symbol, cache_file};

/// The code index of a folder.
pub struct CodeIndex(Index);

/// How much there is of a language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LanguageCount {
    /// The language.
    pub language: &'static str,
    /// Files.
    pub files: usize,
    /// Symbols in them.
    pub symbols: usize,
    /// Their length in all.
    pub bytes: u64,
}

/// A source file that is not in the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Its path below the folder.
    pub path: String,
    /// Why, in a word.
    pub why: &'static str,
}

/// A definition and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Definition {
    /// The file, below the folder.
    pub path: String,
    /// What is defined.
    #[serde(flatten)]
    pub symbol: Symbol,
    /// How often its name is mentioned elsewhere in the folder.
    pub references: u32,
}

impl App {
    /// The code index of `dir`; what was parsed before, here or in another worktree of its repository, is read from the
    /// home. Blocks.
    pub fn code_index(&self, dir: &Path) -> io::Result<CodeIndex> {
        let cache = cache_file(&self.places.code(), dir);
        Index::update(dir, Some(&cache)).map(CodeIndex).map_err(|Error::Root { source, .. }| source)
    }
}

impl CodeIndex {
    /// How much there is of each language.
    pub fn languages(&self) -> Vec<LanguageCount> {
        let count = |(language, amount): (crate::workspace::index::Language, crate::workspace::index::Amount)| {
            let (files, symbols, bytes) = (amount.files, amount.symbols, amount.bytes);
            LanguageCount { language: language.name(), files, symbols, bytes }
        };
        self.0.languages().into_iter().map(count).collect()
    }

    /// How many contents were parsed; the others were known.
    pub fn parsed(&self) -> usize {
        self.0.parsed
    }

    /// Whether there were more files than an index has.
    pub fn is_cut(&self) -> bool {
        self.0.is_cut
    }

    /// The source files that were left out.
    pub fn left_out(&self) -> Vec<LeftOut> {
        self.0.skipped.iter().map(|it| LeftOut { path: it.path.clone(), why: it.why.name() }).collect()
    }

    /// The repository map in at most `tokens`, at four bytes each.
    pub fn map(&self, tokens: usize, focus: &[String]) -> String {
        Map::render(&self.0, tokens, &focus.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The definitions of a name, or of `Container.name`.
    pub fn definitions(&self, name: &str) -> Vec<Definition> {
        let found = self.0.definitions(name).into_iter();
        found
            .map(|(file, symbol)| Definition {
                path: file.path.clone(),
                references: self.0.references(&symbol.name),
                symbol: symbol.clone(),
            })
            .collect()
    }
}
