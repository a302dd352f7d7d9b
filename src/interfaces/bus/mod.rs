//! Committed records, told outside: Redis channels, webhooks, notifications, traces. Nothing runs that is not configured.
//!
//! Each sink has a pump (`pump`) of its own, which reads the journal at its own pace from a durable position (`page`): a sink that
//! is slow or dead keeps up nobody else, and after a crash the next engine goes on where the position is. So whatever was
//! committed is told at least once, in order within its project. `Bus` starts and ends the pumps.
//!
//! This room knows records and their names; it knows neither secrets nor files nor processes: `app/` hands those in.

mod channel;
mod cloud_event;
mod command;
mod hub;
mod notice;
mod otlp;
mod page;
mod post;
mod pubsub;
mod pump;
mod signature;
mod sink;
#[cfg(test)]
mod testing;
mod webhook;

pub use channel::{CHANNELS, is_event_name, kind};
pub use cloud_event::test_event;
pub use command::{Commands, NoticeCommand};
pub use hub::{Bus, Outlet, Waiting};
pub use notice::{Notice, NoticeKind};
pub use otlp::{Collector, Traces};
pub use page::{Notebook, Page, Trouble};
pub use post::{Poster, shown};
pub use pubsub::RedisChannels;
pub use pump::Patience;
pub use signature::{SigningKey, WrongSecret};
pub use sink::{Entry, Sent, Sink, Unsent};
pub use webhook::{NoticeHook, Webhook};
