//! The command line: a file per verb, and what they share.
//!
//! `args` says what can be typed, `run` (below) hands it to a verb, `error` tells what went wrong, `terminal` writes. A verb
//! asks the home through `context` and never knows which process holds it.

mod args;
mod codes;
mod context;
mod error;
mod exit;
mod follow;
mod given;
mod progress;
mod table;
mod terminal;
mod trusting;
mod verbs;
mod words;
mod workflows;

pub use codes::{Page, explanations};
pub use exit::Exit;

use std::sync::Arc;

use clap::Parser as _;

use crate::app::App;
use crate::config::{Environment, Key};
use args::{Arguments, Verb};
use context::Context;
use error::Error;
use terminal::Terminal;

/// Does what the command line of this process asks for, and says how it went.
pub fn main() -> Exit {
    let environment = Environment::capture();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let mut flags = Vec::new();
    flags.extend(arguments.workers.map(|workers| (Key::Workers, "--workers", workers.to_string())));
    flags.extend(arguments.color.clone().map(|color| (Key::Color, "--color", color)));
    let is_json = arguments.json;
    let app = match App::new(environment.clone(), arguments.home.clone(), &flags) {
        Ok(app) => app,
        Err(error) => {
            let terminal = Terminal::new(crate::config::Color::Auto, environment.is_plain());
            return terminal.report(&Error::from(error), is_json);
        }
    };
    let terminal = Terminal::new(app.config().color, environment.is_plain());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(source) => {
            return terminal.report(&Error::System { doing: "start the runtime".to_owned(), source }, is_json);
        }
    };
    let mut context = Context::new(app, terminal, is_json);
    if let Err(error) = trusting::settings(&mut context, &arguments.verb) {
        return context.terminal.report(&error, is_json);
    }
    let context = Arc::new(context);
    let result = runtime.block_on(run(&context, arguments.verb));
    // What still waits (a read of a socket, a blocking one of a terminal) must not keep the process.
    runtime.shutdown_background();
    match result {
        Ok(exit) => exit,
        Err(error) => context.terminal.report(&error, is_json),
    }
}

async fn run(context: &Arc<Context>, verb: Verb) -> Result<Exit, Error> {
    use verbs::*;
    match verb {
        Verb::Demo(arguments) => demo::run(context, arguments).await,
        Verb::Init(arguments) => init::run(context, &arguments),
        Verb::Validate(arguments) => validate::run(context, &arguments),
        Verb::Trust(arguments) => trust::run(context, &arguments),
        Verb::Run(arguments) => run::run(context, arguments).await,
        Verb::Fork(arguments) => fork::run(context, arguments).await,
        Verb::Resume(arguments) => resume::run(context, arguments).await,
        Verb::List(arguments) => list::run(context, &arguments).await,
        Verb::Show(arguments) => show::run(context, &arguments).await,
        Verb::Watch(arguments) => watch::run(context, &arguments).await,
        Verb::Events(arguments) => events::run(context, &arguments).await,
        Verb::Logs(arguments) => logs::run(context, &arguments).await,
        Verb::Why(arguments) => why::run(context, &arguments).await,
        Verb::Approve(arguments) => answer::approve(context, arguments).await,
        Verb::Reject(arguments) => answer::reject(context, arguments).await,
        Verb::Signal(arguments) => signal::run(context, arguments).await,
        Verb::Pause(arguments) => pause::run(context, arguments).await,
        Verb::Cancel(arguments) => cancel::cancel(context, arguments).await,
        Verb::Kill(arguments) => cancel::kill(context, arguments).await,
        Verb::Retry(arguments) => retry::run(context, arguments).await,
        Verb::Add(arguments) => add::run(context, arguments).await,
        Verb::Claim(arguments) => external::claim(context, arguments).await,
        Verb::Heartbeat(arguments) => external::heartbeat(context, arguments).await,
        Verb::Answer(arguments) => external::answer(context, arguments).await,
        Verb::Graph(arguments) => graph::run(context, &arguments).await,
        Verb::Index(arguments) => index::run(context, &arguments),
        Verb::Export(arguments) => export::run(context, &arguments).await,
        Verb::Audit(arguments) => audit::run(context, &arguments).await,
        Verb::Cost(arguments) => cost::run(context, &arguments).await,
        Verb::Artifacts(arguments) => artifacts::run(context, &arguments).await,
        Verb::Transcript(arguments) => transcript::run(context, &arguments).await,
        Verb::Replay(arguments) => replay::run(context, &arguments).await,
        Verb::Diff(arguments) => diff::run(context, &arguments).await,
        Verb::Schema(arguments) => schema::run(context, &arguments),
        Verb::Doctor(arguments) => doctor::run(context, &arguments).await,
        Verb::Sandbox(arguments) => sandbox::run(context, arguments).await,
        Verb::Metrics(arguments) => metrics::run(context, &arguments).await,
        Verb::Bus(arguments) => bus::run(context, &arguments).await,
        Verb::Gc(arguments) => gc::run(context, &arguments).await,
        Verb::Explain(arguments) => explain::run(context, &arguments),
        Verb::Config(arguments) => config::run(context, &arguments),
        Verb::Secrets(arguments) => secrets::run(context, &arguments).await,
        Verb::Completions(arguments) => completions::completions(context, &arguments),
        Verb::Man => completions::man(context),
        Verb::Serve(arguments) => serve::run(context, arguments).await,
        Verb::Token(arguments) => token::run(context, &arguments),
        Verb::Version => version::run(context),
        Verb::Mcp(arguments) => mcp::run(context, &arguments).await,
        Verb::Memory(arguments) => memory::run(context, &arguments).await,
        Verb::Engine => engine::run(context).await,
    }
}

/// What clap says: help is data, everything else a mistake.
fn usage(error: &clap::Error) -> Exit {
    // A closed pipe is all that can go wrong here.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage } else { Exit::Done }
}
