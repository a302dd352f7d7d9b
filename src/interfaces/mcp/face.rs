//! The server of one connection: what the protocol asks, answered from the table of tools and the resources.

use std::sync::Arc;

use axum::http::request;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, Implementation, ListResourceTemplatesResult, ListResourcesResult,
    ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse,
    ResourceUpdatedNotificationParam, ServerCapabilities, ServerConfig, SubscribeRequestParams, SubscriptionFilter,
    Tool, UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};

use super::parts::{Grant, Parts};
use super::uri::Place;
use super::watch::{self, Watches};
use super::{resources, tools};

const INSTRUCTIONS: &str = "wfctl runs workflows (builds, data jobs, teams of agents) durably. A run is a project with an id; \
     `list` finds them, `show` tells how one is, `why` what it waits for and the command that unblocks it, `events` is its journal, \
     `logs` the output of a task, `artifacts` what its agents kept, `cost` what they cost. Projects are named by id or any unique \
     beginning of one. Long answers come in pages: pass `next` back. Errors carry a code and what to do next.";

const INSTRUCTIONS_ACTIONS: &str = " `start`, `fork`, `resume`, `pause`, `cancel`, `approve` and `reject` change something: what they \
     answer is on record already, what follows happens in the background; follow it with `show` or by a subscription to the journal.";

/// The server of one connection.
pub struct Face {
    parts: Arc<Parts>,
    watches: Watches,
}

impl Face {
    /// A new connection.
    pub fn new(parts: Arc<Parts>) -> Self {
        Self { parts, watches: Watches::default() }
    }

    /// Whether whoever asked may use the tools that change something.
    fn may_act(&self, context: &RequestContext<RoleServer>) -> bool {
        match self.parts.grant {
            Grant::Nobody => false,
            Grant::Everybody => true,
            Grant::ByRequest(may_act) => context.extensions.get::<request::Parts>().is_some_and(may_act),
        }
    }

    async fn updates(&self, subscription: &SubscriptionContext) {
        let uris = subscription.accepted().resource_subscriptions.clone().unwrap_or_default();
        let sink = subscription.sink();
        let each = uris.into_iter().map(|uri| async move {
            // What is not there has no news.
            let Ok((id, from)) = watch::place(&self.parts, &uri).await else { return };
            let tell = || async { sink.notify_resource_updated(uri.clone()).await.is_ok() };
            watch::follow(&self.parts, &id, from, tell).await;
        });
        futures_util::future::join_all(each).await;
    }
}

impl ServerHandler for Face {
    fn get_info(&self) -> ServerConfig {
        let capabilities =
            ServerCapabilities::builder().enable_tools().enable_resources().enable_resources_subscribe().build();
        let may_act = !matches!(self.parts.grant, Grant::Nobody);
        let instructions = format!("{INSTRUCTIONS}{}", if may_act { INSTRUCTIONS_ACTIONS } else { "" });
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("wfctl", env!("CARGO_PKG_VERSION")).with_title("wfctl"))
            .with_instructions(instructions)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let may_act = self.may_act(&context);
        let offered = tools::all().filter(|entry| may_act || !entry.effect.acts());
        Ok(ListToolsResult::with_all_items(offered.map(|entry| entry.tool.clone()).collect()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::find(name).map(|entry| entry.tool.clone())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let entry = match tools::find(&request.name) {
            Some(entry) if self.may_act(&context) || !entry.effect.acts() => entry,
            Some(_) => {
                let message = format!(
                    "tool `{}` changes something and is not offered here; it is by `wfctl mcp --allow-actions`, and over HTTP \
                     with a token of role operate",
                    request.name
                );
                return Err(ErrorData::invalid_params(message, None));
            }
            None => return Err(ErrorData::invalid_params(format!("there is no tool `{}`", request.name), None)),
        };
        let result = tools::call(entry, &self.parts, request.arguments.unwrap_or_default()).await;
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        resources::list(&self.parts, request.and_then(|request| request.cursor)).await
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(resources::templates())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        Ok(resources::read(&self.parts, request.uri).await?.into())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let (peer, uri) = (context.peer, request.uri.clone());
        let tell = move || {
            let (peer, uri) = (peer.clone(), uri.clone());
            async move { peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await.is_ok() }
        };
        self.watches.add(&self.parts, request.uri, tell).await.map_err(|refusal| refusal.to_error())
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.watches.remove(&request.uri);
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let uris = requested.resource_subscriptions.iter().flatten();
        let journals = uris.filter(|uri| matches!(Place::read(uri), Ok(Place::Journal { .. }))).take(watch::MOST);
        Some(SubscriptionFilter::builder().resource_subscriptions(journals.cloned().collect::<Vec<_>>()).build())
    }

    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        tokio::select! {
            () = subscription.cancelled() => {}
            // Without a journal there is nothing to tell, and yet the client decides when it has enough.
            () = self.updates(&subscription) => subscription.cancelled().await,
        }
        Ok(())
    }
}
