//! One connection over standard input and output. Nothing else may write to standard output meanwhile.

use std::sync::Arc;

use rmcp::ServerHandler;
use rmcp::service::{QuitReason, ServerInitializeError, ServiceExt as _};
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::io::stdio_pipes;

use super::face::Face;
use super::parts::Parts;

/// Longest message of a client: a workflow's inputs fit.
const MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// Serves until the client closes its end, or `interrupted` comes first. An error says in words what broke.
pub async fn serve(parts: Parts, interrupted: impl Future<Output = ()>) -> Result<(), String> {
    serve_handler(Face::new(Arc::new(parts)), interrupted).await
}

/// The same for any server of the protocol.
pub async fn serve_handler(handler: impl ServerHandler, interrupted: impl Future<Output = ()>) -> Result<(), String> {
    let (read, write) = stdio_pipes();
    let transport = AsyncRwTransport::new_server(read, write).with_max_line_length(MESSAGE_BYTES);
    tokio::pin!(interrupted);
    let running = tokio::select! {
        running = handler.serve(transport) => running,
        () = &mut interrupted => return Ok(()),
    };
    let running = match running {
        Ok(running) => running,
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => return Err(format!("the client did not begin as the protocol asks: {error}")),
    };
    let ending = running.cancellation_token();
    let waiting = running.waiting();
    tokio::pin!(waiting);
    let ended = tokio::select! {
        ended = &mut waiting => ended,
        () = &mut interrupted => {
            ending.cancel();
            waiting.await
        }
    };
    match ended {
        Ok(QuitReason::JoinError(error)) | Err(error) => Err(format!("the connection broke: {error}")),
        Ok(_) => Ok(()),
    }
}
