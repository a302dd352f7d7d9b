//! All values that are known at the moment, shared by everything that keeps, shows or sends text.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::{Masker, is_maskable};

/// A set of values that grows. Cheap to clone; all clones are the same set.
#[derive(Debug, Clone, Default)]
pub struct Masks(Arc<RwLock<Known>>);

#[derive(Default)]
struct Known {
    names: BTreeMap<String, String>,
    masker: Masker,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} values", self.names.len())
    }
}

impl Masks {
    /// Adds values by the names of their secrets. Those that are too short or too long are left out. A value is never forgotten: what was
    /// handed to a command once may be repeated by a later one.
    pub fn learn<'v>(&self, values: impl IntoIterator<Item = (&'v str, &'v str)>) {
        let values: Vec<_> = values.into_iter().filter(|(_, value)| is_maskable(value)).collect();
        if values.iter().all(|(_, value)| self.knows(value)) {
            return;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (name, value) in values {
            known.names.entry(value.to_owned()).or_insert_with(|| name.to_owned());
        }
        known.masker = Masker::new(known.names.iter().map(|(value, name)| (name.as_str(), value.as_str())));
    }

    /// What strikes out all that is known now.
    pub fn now(&self) -> Masker {
        self.0.read().unwrap_or_else(PoisonError::into_inner).masker.clone()
    }

    fn knows(&self, value: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).names.contains_key(value)
    }
}
