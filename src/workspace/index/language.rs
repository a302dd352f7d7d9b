//! The languages that are understood, by the ends of file names.

use serde::{Deserialize, Serialize};

macro_rules! languages {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $grammar:expr, [$($end:literal),*];)*) => {
        /// A language. Names are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum Language { $($(#[$doc])* $variant,)* }

        impl Language {
            /// The stable name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The language of a file, by its name.
            pub fn of(file: &str) -> Option<Self> {
                let (_, end) = file.rsplit_once('.')?;
                match end { $($($end)|* => Some(Self::$variant),)* _ => None }
            }

            /// Its grammar.
            pub(super) fn grammar(self) -> tree_sitter::Language {
                match self { $(Self::$variant => $grammar.into(),)* }
            }
        }
    };
}

languages! {
    /// Rust.
    Rust = "rust", tree_sitter_rust::LANGUAGE, ["rs"];
    /// Python.
    Python = "python", tree_sitter_python::LANGUAGE, ["py", "pyi"];
    /// TypeScript.
    TypeScript = "typescript", tree_sitter_typescript::LANGUAGE_TYPESCRIPT, ["ts", "mts", "cts"];
    /// TypeScript with JSX.
    Tsx = "tsx", tree_sitter_typescript::LANGUAGE_TSX, ["tsx"];
    /// JavaScript, with or without JSX.
    JavaScript = "javascript", tree_sitter_javascript::LANGUAGE, ["js", "mjs", "cjs", "jsx"];
    /// Go.
    Go = "go", tree_sitter_go::LANGUAGE, ["go"];
}
