//! `wfctl explain`: the page of a code.

use super::super::args;
use super::super::codes::explanations;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::terminal::Tone;

/// The page that is no code.
const EXIT_CODES: &str = "exit-codes";

/// Prints a page, or the list of all.
pub fn run(context: &Context, arguments: &args::Explain) -> Result<Exit, Error> {
    let (pages, terminal) = (explanations(), &context.terminal);
    if arguments.code.as_deref() == Some(EXIT_CODES) {
        for exit in Exit::ALL {
            terminal.data(format!("{:>3}  {}", exit.code(), exit.meaning()))?;
        }
        return Ok(Exit::Done);
    }
    let Some(code) = &arguments.code else {
        for page in pages {
            terminal.data(format!("{} {}", page.code, page.title))?;
        }
        return Ok(Exit::Done);
    };
    let page = pages.iter().find(|page| page.code.eq_ignore_ascii_case(code));
    let page = page.ok_or_else(|| Error::UnknownCode(code.clone()))?;
    terminal.data(terminal.paint(Tone::Bold, format!("{}: {}", page.code, page.title)))?;
    terminal.data("")?;
    terminal.data(page.text)?;
    Ok(Exit::Done)
}
