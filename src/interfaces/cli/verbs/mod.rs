//! A file per verb.

pub mod add;
pub mod answer;
pub mod artifacts;
pub mod audit;
pub mod cancel;
pub mod completions;
pub mod config;
pub mod cost;
pub mod diff;
pub mod doctor;
pub mod engine;
pub mod events;
pub mod explain;
pub mod external;
pub mod fork;
pub mod gc;
pub mod graph;
pub mod init;
pub mod list;
pub mod logs;
pub mod pause;
pub mod resume;
pub mod retry;
pub mod run;
pub mod schema;
pub mod show;
pub mod signal;
pub mod transcript;
pub mod validate;
pub mod version;
pub mod watch;
pub mod why;

mod command;
mod drive;
