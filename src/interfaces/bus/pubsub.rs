//! Redis channels: each record is published on `audit.logs`, and on the channel that its kind belongs to.
//!
//! A batch goes in one pipeline and counts as sent when the server has answered all of it. Redis keeps nothing: who is not
//! subscribed at that moment does not hear of it, and catches up with `wfctl events`.

use std::time::Duration;

use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use serde_json::Value;

use super::channel;
use super::cloud_event;
use super::sink::{Entry, Sent, Sink, Unsent};
use crate::domain::limits;

/// How long the server may take to accept a connection, or to answer a batch.
const PATIENCE: Duration = Duration::from_millis(limits::BUS_ANSWER_MS);

/// The channels of a Redis server.
pub struct RedisChannels {
    client: redis::Client,
    connection: Option<MultiplexedConnection>,
}

impl RedisChannels {
    /// At `url` (`redis://[:password@]host[:port][/db]`, `rediss://` with TLS, `unix:///path`); connects when there is something to
    /// say. An error says what is wrong with the URL.
    pub fn new(url: &str) -> Result<Self, String> {
        // An error means that it is installed already.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let client = redis::Client::open(url).map_err(|error| error.to_string())?;
        Ok(Self { client, connection: None })
    }

    /// Publishes one event on every channel, for a test; how many listen to each.
    pub async fn try_out(&mut self, event: &Value) -> Result<Vec<(&'static str, u64)>, String> {
        let body = event.to_string();
        let mut pipe = redis::pipe();
        for channel in channel::CHANNELS {
            pipe.publish(channel, &body);
        }
        let heard: Vec<u64> = self.ask(&pipe).await?;
        Ok(channel::CHANNELS.into_iter().zip(heard).collect())
    }

    async fn ask(&mut self, pipe: &redis::Pipeline) -> Result<Vec<u64>, String> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let answered = tokio::time::timeout(PATIENCE, pipe.query_async::<Vec<u64>>(&mut connection)).await;
        let heard = answered.map_err(|_| "no answer".to_owned())?.map_err(|error| error.to_string())?;
        // One that failed is not used again: what is on its way there is unknown.
        self.connection = Some(connection);
        Ok(heard)
    }

    async fn connect(&self) -> Result<MultiplexedConnection, String> {
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let connected = self.client.get_multiplexed_async_connection_with_config(&config).await;
        connected.map_err(|error| format!("cannot connect: {error}"))
    }
}

#[async_trait]
impl Sink for RedisChannels {
    async fn send(&mut self, entries: &[Entry]) -> Sent {
        let mut pipe = redis::pipe();
        let (mut count, mut bytes) = (0, 0);
        for entry in entries {
            let body = cloud_event::of(entry).to_string();
            if count > 0 && bytes + body.len() > limits::BUS_BATCH_BYTES {
                break;
            }
            bytes += body.len();
            count += 1;
            pipe.publish(channel::AUDIT, &body);
            if let Some(channel) = entry.channel() {
                pipe.publish(channel, &body);
            }
        }
        match self.ask(&pipe).await {
            Ok(_) => Sent::all(count),
            Err(problem) => Sent::until(0, Unsent::Retry(problem)),
        }
    }
}
