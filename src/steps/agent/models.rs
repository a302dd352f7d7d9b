//! Where the walk's models come from. The app plugs in router, providers and prices.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use crate::agents::walk::Models;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::workflow::ModelsSpec;

/// Makes the models of a project's agents.
#[async_trait]
pub trait ModelSource: Send + Sync + 'static {
    /// Variables that hold keys of providers: no command of an agent inherits them.
    fn key_names(&self) -> BTreeSet<String>;

    /// `text` without the keys and other secrets that are known here: it is about to be recorded, and read by a model.
    fn redact(&self, text: String) -> String;

    /// The models that `spec` names, for a role. `priced`: one without a known price is refused. Errors: `auth` when a key
    /// is not there, `not-found` when a provider or a script is not.
    async fn models(&self, spec: &ModelsSpec, role: &str, priced: bool) -> Result<Arc<dyn Models>, Failure>;
}

/// For runners without agents.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoModels;

#[async_trait]
impl ModelSource for NoModels {
    fn key_names(&self) -> BTreeSet<String> {
        BTreeSet::new()
    }

    fn redact(&self, text: String) -> String {
        text
    }

    async fn models(&self, _: &ModelsSpec, role: &str, _: bool) -> Result<Arc<dyn Models>, Failure> {
        let message = format!("there are no models here for the role {role}");
        Err(Failure::new(FailureClass::ModelNotFound, message))
    }
}
