//! Secrets by name: where a person keeps them, how one is fetched, and that it is never shown.
//!
//! A [`Secret`] cannot be printed or serialised. A [`Shelf`] knows the names that a person has declared and nothing else can
//! be fetched from it; every value that it fetches is struck out of all texts first (`telemetry::mask`). Sources that may not
//! be built in are features of the crate: `keyring`, `vault`.

pub mod file;
#[cfg(feature = "keyring")]
pub mod keyring;
mod shelf;
mod value;
#[cfg(feature = "vault")]
mod vault;

pub use file::SecretsError;
pub use shelf::{Declared, Missing, Shelf, Why};
pub use value::Secret;

/// A source that this binary was built without.
#[cfg(not(feature = "keyring"))]
pub mod keyring {
    /// Says so.
    pub fn get(_: &str, _: &str) -> Result<Option<String>, String> {
        Err(absent())
    }

    /// Says so.
    pub fn set(_: &str, _: &str, _: &str) -> Result<(), String> {
        Err(absent())
    }

    /// Says so.
    pub fn remove(_: &str, _: &str) -> Result<bool, String> {
        Err(absent())
    }

    fn absent() -> String {
        "this wfctl was built without the keyring; build it with `cargo install --features keyring`".to_owned()
    }
}
