//! Where the secrets of steps come from, by name. The app plugs in the shelf of what the person has declared.

use std::collections::BTreeSet;

use async_trait::async_trait;

use crate::domain::failure::{Failure, FailureClass};
use crate::secrets::{Secret, Shelf};

/// Hands out secrets.
#[async_trait]
pub trait SecretSource: Send + Sync + 'static {
    /// The values of these names. Errors: `auth`, when one is not declared or cannot be had; trying again blindly changes
    /// nothing. Whatever is handed out is known to the masks before.
    async fn get(&self, names: &[String]) -> Result<Vec<(String, Secret)>, Failure>;

    /// Makes all that is declared known to the masks, once; called before the first step.
    async fn learn(&self);

    /// Variables that no command inherits: they open secrets, and secrets are handed over by name.
    fn withheld(&self) -> BTreeSet<String>;
}

#[async_trait]
impl SecretSource for Shelf {
    async fn get(&self, names: &[String]) -> Result<Vec<(String, Secret)>, Failure> {
        Self::get(self, names).await.map_err(|missing| Failure::new(FailureClass::Auth, missing.to_string()))
    }

    async fn learn(&self) {
        self.learn_all().await;
    }

    fn withheld(&self) -> BTreeSet<String> {
        Self::withheld(self)
    }
}
