//! `fork`: another project with the same beginning.

use schemars::JsonSchema;
use serde::Deserialize;

use super::start::{Started, go_on_if, project_id};
use super::{Effect, Tool};
use crate::app::Need;
use crate::domain::ids::Seq;
use crate::interfaces::api::{Fault, FaultKind, ForkRequest};
use crate::interfaces::mcp::desk::Room;
use crate::interfaces::mcp::refusal::Trouble;
use crate::interfaces::mcp::views::Budget;

/// The arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fork {
    /// The project's id, or any unique beginning of it.
    pub project: String,
    /// The last record that both have in common; `events` numbers them.
    pub at: u64,
    /// The id of the fork; PROJECT.fSEQ if absent. Forking again with the same one is the same fork.
    pub id: Option<String>,
    /// The models that its agents ask from there on, each as provider/model; later ones are fallbacks.
    #[serde(default)]
    pub models: Vec<String>,
    /// Limits in place of those in force.
    pub budget: Option<Budget>,
}

impl Tool for Fork {
    const NAME: &'static str = "fork";
    const TITLE: &'static str = "Fork a project";
    const ABOUT: &'static str = "Starts a project that shares the records of another one up to a point and goes on from there by itself; \
                                 what is recorded is read back and not run again.";
    const EFFECT: Effect = Effect::Steers;
    const NEED: Need = Need::Drive;
    type Answer = Started;

    async fn run(self, room: Room) -> Result<Started, Trouble> {
        let budget = self.budget.as_ref().map(Budget::caps).transpose()?;
        let is_model = |text: &String| {
            text.split_once('/').is_some_and(|(provider, name)| !provider.is_empty() && !name.is_empty())
        };
        if let Some(model) = self.models.iter().find(|model| !is_model(model)) {
            let message = format!("`{model}` does not name a provider and a model, such as openai/gpt-5-mini");
            return Err(Fault::new(FaultKind::Invalid, message).into());
        }
        let source = room.project(&self.project).await?.id;
        let id = self.id.clone().unwrap_or_else(|| format!("{source}.f{}", self.at));
        let fork = ForkRequest { source, at: Seq(self.at), id: project_id(&id)?, models: self.models, budget };
        let (id, existed) = room.home.fork(fork).await?;
        go_on_if(existed, &room.home, &id).await?;
        Ok(Started::new(id, existed))
    }
}
