//! The state machines: one file each, all of the same shape (table, state, input, handlers, invariants, tests).
//!
//! A machine answers one question: may this input happen in this state, and which state follows? It decides with a
//! `statig` hierarchy, so that what all children of a superstate answer stands once. The persisted states are our own
//! enums with stable names.

/// An enum of states with stable names: shown, read back (in any case) and stored by them.
macro_rules! statuses {
    ($(#[$what:meta])* $type:ident: $($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        $(#[$what])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $type { $($(#[$doc])* #[serde(rename = $name)] $variant,)* }

        impl $type {
            /// All states.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl std::str::FromStr for $type {
            type Err = ();
            fn from_str(name: &str) -> Result<Self, ()> {
                Self::ALL.iter().copied().find(|status| status.name().eq_ignore_ascii_case(name)).ok_or(())
            }
        }
    };
}

pub mod agent_turn;
pub mod project;
pub mod task;

pub use agent_turn::TurnState;
pub use project::{Phase, ProjectStatus};
pub use task::TaskStatus;
