//! `wfctl engine` (hidden): the engine in the background. Ends when there has been nothing to drive for a while.

use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::drive;
use crate::app::Need;

/// Drives until idle, or until a signal.
pub async fn run(context: &Context) -> Result<Exit, Error> {
    // Fails for a process that leads its group already: then it was started by hand, which is fine.
    let _ = rustix::process::setsid();
    let session = context.app.open(Need::Drive, "engine").await?;
    let Some(mut engine) = session.engine().cloned() else {
        // Another engine has the home.
        return Ok(Exit::Done);
    };
    let mut interrupted = Box::pin(drive::interrupt()?);
    let idle = context.app.config().idle_exit;
    loop {
        engine.seen();
        let is_idle = engine.progress().driven == 0;
        tokio::select! {
            is_going_on = engine.changed() => if !is_going_on { break },
            () = tokio::time::sleep(idle), if is_idle => break,
            () = &mut interrupted => break,
        }
    }
    drive::close(session).await?;
    Ok(Exit::Done)
}
