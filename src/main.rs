//! The binary: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    // A part of the sandbox: it must come before any thread and any configuration.
    if let Some(done) = wfctl::workspace::sandbox::stage::main() {
        return done;
    }
    wfctl::interfaces::cli::main().into()
}
