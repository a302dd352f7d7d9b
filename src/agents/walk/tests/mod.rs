//! Walks over records in memory, with a scripted model and a worktree in memory. Every request is checked for results without a
//! call and calls without a result.

mod conversation;
mod resume;
mod summaries;
mod support;
mod trouble;
