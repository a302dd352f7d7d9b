//! libgit2 blocks: its work is done on threads that may.

use super::error::Error;
use crate::domain::failure::{Failure, FailureClass};

/// Does `work` on a thread that may block. Work that has begun is done even if the future is dropped.
pub(in crate::workspace) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(Failure::from),
        Err(error) => Err(Failure::new(FailureClass::Internal, format!("the workspace failed: {error}"))),
    }
}
