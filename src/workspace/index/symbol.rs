//! What a definition is.

use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// What is defined. Names are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum SymbolKind { $($(#[$doc])* $variant,)* }

        impl SymbolKind {
            /// The stable name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

kinds! {
    /// A function of its own.
    Function = "function";
    /// A function of a type.
    Method = "method";
    /// A struct, enum, class, union, alias.
    Type = "type";
    /// A trait, interface.
    Interface = "interface";
    /// A constant or static.
    Constant = "constant";
    /// A macro.
    Macro = "macro";
}

/// A definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Symbol {
    /// What is defined.
    pub kind: SymbolKind,
    /// Its name.
    pub name: String,
    /// The type, trait, module or namespace it is part of, outermost first.
    pub container: Option<String>,
    /// How it is declared, in one line, without its body.
    pub signature: String,
    /// Its first and last line, from 1.
    pub lines: (u32, u32),
    /// The first line of its documentation; may be empty.
    pub doc: String,
}
