//! `wfctl completions` and `wfctl man`, both made from what can be typed.

use clap::CommandFactory as _;

use super::super::args::{self, Arguments};
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;

/// For a shell.
pub fn completions(context: &Context, arguments: &args::Completions) -> Result<Exit, Error> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "wfctl", &mut script);
    context.terminal.raw(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}

/// For `man`.
pub fn man(context: &Context) -> Result<Exit, Error> {
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(Arguments::command()).render(&mut page);
    rendered.map_err(|source| Error::System { doing: "render the manual page".to_owned(), source })?;
    context.terminal.raw(&String::from_utf8_lossy(&page))?;
    Ok(Exit::Done)
}
