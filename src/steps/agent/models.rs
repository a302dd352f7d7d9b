//! Where the walk's models come from. The app plugs in router, providers and prices.

use std::sync::Arc;

use async_trait::async_trait;

use crate::agents::walk::Models;
use crate::domain::failure::Failure;
use crate::domain::workflow::ModelsSpec;

/// Makes the models of a project's agents.
#[async_trait]
pub trait ModelSource: Send + Sync + 'static {
    /// The models that `spec` names, for a role. `priced`: one without a known price is refused. Errors: `auth` when a key
    /// is not there, `not-found` when a provider or a script is not.
    async fn models(&self, spec: &ModelsSpec, role: &str, priced: bool) -> Result<Arc<dyn Models>, Failure>;
}
