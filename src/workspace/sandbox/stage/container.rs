//! The part that stands between the engine and a container: has it made, hands on what it says, has it ended when that is
//! asked for, and tells how it ended. It lives outside of the container and has no more rights than the engine.

use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::process::ExitCode;
use std::thread::JoinHandle;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, InspectContainerOptions, KillContainerOptionsBuilder,
    StartContainerOptions, WaitContainerOptionsBuilder,
};
use futures_util::{Stream, StreamExt as _};
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::super::container::{Container, attested, body, connected, why};
use super::super::order::{Maker, Order};
use super::super::report::{Told, doing};
use super::guard::Guard;
use super::outer;
use super::socket::Socket;

/// How long the rest of what a container said is waited for once it has ended.
const REST: Duration = Duration::from_secs(30);
/// Longer than any command: the engine answers this one when the container ends.
const NEVER: Duration = Duration::from_secs(1 << 31);
/// Pieces of output on their way.
const PIECES: usize = 16;
/// The code of a process that SIGKILL ended, as engines tell it.
const KILLED: i64 = 128 + 9;

/// Runs to the end of the container.
pub(super) fn run() -> ExitCode {
    let Ok(socket) = Socket::take() else { return ExitCode::from(super::NOT_FOR_PEOPLE) };
    match contained(&socket) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            socket.tell(&Told::Refused(error.to_string()));
            ExitCode::FAILURE
        }
    }
}

fn contained(socket: &Socket) -> io::Result<()> {
    // Containers are given no input; the order says so to whoever asks.
    let (memory, _) = socket.order().map_err(doing("read the order"))?;
    outer::close_others(&[socket.descriptor().as_raw_fd(), memory.as_raw_fd()])?;
    let order = outer::read(&memory)?;
    drop(memory);
    let Maker::Container(container) = &order.maker else {
        return Err(outer::another_part());
    };
    let mut guard = Guard::post(container, socket)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let writer = Writer::start()?;
    let result = runtime.block_on(followed(&order, container, socket, &mut guard, &writer));
    drop(runtime);
    // In this order: what it said is handed on, and then nobody is left.
    writer.finish();
    guard.relieve();
    result.map_err(io::Error::other)
}

/// What the engine of ours wants.
enum Asked {
    /// That the container ends.
    Stop,
    /// Nothing any more: it is gone.
    Gone,
}

/// Has the container made and follows it to its end. An error says what could not be done; nothing was started then.
async fn followed(
    order: &Order,
    container: &Container,
    socket: &Socket,
    guard: &mut Guard,
    writer: &Writer,
) -> Result<(), String> {
    let lost = |error: io::Error| format!("listen to the engine: {error}");
    let line = StdUnixStream::from(socket.descriptor().try_clone_to_owned().map_err(lost)?);
    line.set_nonblocking(true).map_err(lost)?;
    let mut line = UnixStream::from_std(line).map_err(lost)?;
    let (client, output) = tokio::select! {
        biased;
        // It has not begun, so there is nothing to tell.
        _ = asked(&mut line) => return Ok(()),
        made = made(order, container, socket, guard) => made?,
    };
    let mut pump = std::pin::pin!(pump(output, writer.sender.clone()));
    let mut ended = std::pin::pin!(ended(&client, &container.name));
    let mut is_said = false;
    let code = loop {
        tokio::select! {
            biased;
            asked = asked(&mut line) => match asked {
                // The guard ends it.
                Asked::Gone => return Ok(()),
                Asked::Stop => stop(&client, &container.name).await,
            },
            () = &mut pump, if !is_said => is_said = true,
            code = &mut ended => break code,
        }
    };
    if !is_said {
        let _over = tokio::time::timeout(REST, pump).await;
    }
    match code {
        Ok(code) => end(&client, &container.name, code).await.iter().for_each(|told| socket.tell(told)),
        // Without a word of its end it counts as killed; the guard sees to that.
        Err(error) => writer.complain(&format!("wfctl: the engine of the container was lost: {}\n", why(&error))).await,
    }
    Ok(())
}

async fn asked(line: &mut UnixStream) -> Asked {
    match line.read(&mut [0; 16]).await {
        Ok(0) | Err(_) => Asked::Gone,
        Ok(_) => Asked::Stop,
    }
}

/// Makes and starts the container, and tells its layers.
async fn made(
    order: &Order,
    container: &Container,
    socket: &Socket,
    guard: &mut Guard,
) -> Result<(Docker, impl Stream<Item = Result<LogOutput, Error>> + use<>), String> {
    let told = |what: &'static str| move |error: Error| format!("{what}: {}", why(&error));
    let name = container.name.as_str();
    let asked = body(order, container)?;
    let client = connected(&container.engine.socket).await.map_err(told("ask the engine for a container"))?;
    let named = CreateContainerOptionsBuilder::new().name(name).build();
    guard.is_asked();
    let answer = client.create_container(Some(named), asked).await;
    guard.is_answered(answer.is_ok());
    answer.map_err(told("have a container made"))?;
    let made = client.inspect_container(name, None::<InspectContainerOptions>).await;
    let layers = attested(order, container, &made.map_err(told("look at the container"))?)?;
    let streams = AttachContainerOptionsBuilder::new().stream(true).stdout(true).stderr(true).build();
    let attached = client.attach_container(name, Some(streams)).await.map_err(told("listen to the container"))?;
    client.start_container(name, None::<StartContainerOptions>).await.map_err(told("start the container"))?;
    layers.into_iter().for_each(|layer| socket.tell(&Told::Layer(layer)));
    Ok((client, attached.output))
}

/// Waits for the end of the container; its code.
async fn ended(client: &Docker, name: &str) -> Result<i64, Error> {
    let client = client.clone().with_timeout(NEVER);
    let options = WaitContainerOptionsBuilder::new().condition("not-running").build();
    let mut waited = std::pin::pin!(client.wait_container(name, Some(options)));
    match waited.next().await {
        Some(Ok(told)) => Ok(told.status_code),
        Some(Err(Error::DockerContainerWaitError { code, .. })) => Ok(code),
        Some(Err(error)) => Err(error),
        None => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
    }
}

/// How it ended. Engines tell signals as codes; only for one that took too much memory they say that it was killed.
async fn end(client: &Docker, name: &str, code: i64) -> Vec<Told> {
    let found = client.inspect_container(name, None::<InspectContainerOptions>).await;
    let is_hog = found.is_ok_and(|it| it.state.is_some_and(|state| state.oom_killed == Some(true)));
    let kills = is_hog.then_some(Told::MemoryKills(1));
    let end = match is_hog && code == KILLED {
        true => Told::Signalled(9),
        false => Told::Exited(i32::try_from(code).unwrap_or(i32::MAX)),
    };
    kills.into_iter().chain([end]).collect()
}

/// Asks the command to end. Process 1 hands that on to it alone.
async fn stop(client: &Docker, name: &str) {
    for signal in ["SIGTERM", "SIGCONT"] {
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        // One that has ended already cannot be asked, and need not.
        let _ended = client.kill_container(name, Some(options)).await;
    }
}

/// Hands on what the container says until it says no more.
async fn pump(mut output: impl Stream<Item = Result<LogOutput, Error>> + Unpin, sender: mpsc::Sender<LogOutput>) {
    while let Some(Ok(piece)) = output.next().await {
        if sender.send(piece).await.is_err() {
            return;
        }
    }
}

/// Writes to this process's own streams. A thread of its own: whoever reads them may be slow, and a request to stop must be
/// heard nevertheless.
struct Writer {
    sender: mpsc::Sender<LogOutput>,
    thread: JoinHandle<()>,
}

impl Writer {
    fn start() -> io::Result<Self> {
        let (sender, mut pieces) = mpsc::channel(PIECES);
        let write = move || {
            while let Some(piece) = pieces.blocking_recv() {
                // A reader that has gone away wants no more; the container must not notice.
                let _gone = match piece {
                    LogOutput::StdErr { message } => io::stderr().write_all(&message),
                    LogOutput::StdOut { message } | LogOutput::StdIn { message } | LogOutput::Console { message } => {
                        let mut stdout = io::stdout().lock();
                        stdout.write_all(&message).and_then(|()| stdout.flush())
                    }
                };
            }
        };
        Ok(Self { sender, thread: std::thread::Builder::new().spawn(write)? })
    }

    async fn complain(&self, text: &str) {
        let _gone = self.sender.send(LogOutput::StdErr { message: text.to_owned().into() }).await;
    }

    /// Waits until everything is written.
    fn finish(self) {
        drop(self.sender);
        // A panic there was reported by its own thread.
        let _panicked = self.thread.join();
    }
}
