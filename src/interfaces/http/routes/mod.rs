//! The routes of `/api/v1` and what stands beside it, a file per noun. Each translates one request and one answer.

pub mod approvals;
pub mod artifacts;
pub mod commands;
pub mod costs;
pub mod definitions;
pub mod diffs;
pub mod growth;
pub mod health;
pub mod login;
pub mod logs;
pub mod pages;
pub mod projects;
mod ranges;
pub mod records;
pub mod starts;
pub mod tasks;
pub mod timeline;
pub mod workers;
pub mod workflows;
