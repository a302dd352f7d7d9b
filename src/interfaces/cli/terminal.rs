//! The only object that writes to the terminal: data on stdout, everything else on stderr, colour only where it is wanted.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use anstyle::{AnsiColor, Style};
use indicatif::{MultiProgress, ProgressDrawTarget};

use super::error::Error;
use super::exit::Exit;
use crate::config::Color;

/// How a text is meant; becomes a colour where there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    Plain,
    /// It went well.
    Good,
    /// It did not.
    Bad,
    /// Someone should look.
    Warn,
    /// In the background.
    Dim,
    /// In the foreground.
    Bold,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Warn => AnsiColor::Yellow.on_default(),
            Self::Dim => Style::new().dimmed(),
            Self::Bold => Style::new().bold(),
        }
    }
}

/// Most that is read of an answer.
const ANSWER_BYTES: u64 = 1024;

/// The terminal, or whatever stands in its place.
pub struct Terminal {
    color_out: bool,
    color_err: bool,
    is_live: bool,
    bars: MultiProgress,
}

impl Terminal {
    /// `is_plain`: the environment asks for no colour.
    pub fn new(color: Color, is_plain: bool) -> Self {
        let colored = |is_terminal: bool| match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => is_terminal && !is_plain,
        };
        let is_live = io::stderr().is_terminal() && !is_plain;
        let target = if is_live { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self {
            color_out: colored(io::stdout().is_terminal()),
            color_err: colored(io::stderr().is_terminal()),
            is_live,
            bars: MultiProgress::with_draw_target(target),
        }
    }

    /// Whether stderr is a terminal that can be redrawn.
    pub fn is_live(&self) -> bool {
        self.is_live
    }

    /// Whether stdout is a terminal.
    pub fn is_out_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Where bars are drawn.
    pub fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// A line of data.
    pub fn data(&self, text: impl AsRef<str>) -> Result<(), Error> {
        self.bars.suspend(|| writeln!(io::stdout().lock(), "{}", text.as_ref())).map_err(written)
    }

    /// Data without an end of line of its own.
    pub fn raw(&self, text: &str) -> Result<(), Error> {
        self.bytes(text.as_bytes())
    }

    /// Data as it is, whatever it is.
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), Error> {
        let write = || {
            let mut out = io::stdout().lock();
            out.write_all(bytes).and_then(|()| out.flush())
        };
        self.bars.suspend(write).map_err(written)
    }

    /// A line of JSON.
    pub fn json(&self, value: &impl serde::Serialize) -> Result<(), Error> {
        let text = serde_json::to_string(value).map_err(|error| Error::Internal(error.to_string()))?;
        self.data(text)
    }

    /// A line for the person, not for a pipe.
    pub fn note(&self, text: impl AsRef<str>) {
        // Without a place to complain there is nobody to complain to.
        let _ = self.bars.suspend(|| writeln!(io::stderr().lock(), "{}", text.as_ref()));
    }

    /// Whether a person is there to be asked.
    pub fn can_ask(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks, and takes everything but a yes for a no.
    pub fn ask(&self, question: &str) -> Result<bool, Error> {
        let failed = |source| Error::System { doing: "ask".to_owned(), source };
        self.bars.suspend(|| write!(io::stderr().lock(), "{question} [y/N] ")).map_err(failed)?;
        let mut answer = String::new();
        io::stdin().lock().take(ANSWER_BYTES).read_line(&mut answer).map_err(failed)?;
        Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
    }

    /// `text` in a tone, for stdout.
    pub fn paint(&self, tone: Tone, text: impl AsRef<str>) -> String {
        paint(self.color_out, tone, text.as_ref())
    }

    /// `text` in a tone, for stderr.
    pub fn paint_note(&self, tone: Tone, text: impl AsRef<str>) -> String {
        paint(self.color_err, tone, text.as_ref())
    }

    /// Tells what went wrong, and the exit code that goes with it. A closed pipe goes without a word.
    pub fn report(&self, error: &Error, is_json: bool) -> Exit {
        let exit = error.exit();
        if matches!(error, Error::ClosedPipe) {
            return exit;
        }
        if is_json {
            self.note(error.to_json().to_string());
        } else {
            self.note(error.to_text(&|tone, text| self.paint_note(tone, text)));
        }
        exit
    }
}

fn written(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Error::ClosedPipe,
        _ => Error::System { doing: "write to stdout".to_owned(), source: error },
    }
}

fn paint(is_colored: bool, tone: Tone, text: &str) -> String {
    let style = tone.style();
    if is_colored && tone != Tone::Plain { format!("{style}{text}{style:#}") } else { text.to_owned() }
}

/// Text from outside, of one line: nothing in it moves a cursor, rings a bell or turns the writing direction.
pub fn harmless(text: &str) -> String {
    text.chars().map(|c| if c == '\n' || c == '\t' { ' ' } else { shown(c) }).collect()
}

/// Text from outside, of several lines.
pub fn harmless_lines(text: &str) -> String {
    text.chars().filter(|c| *c != '\r').map(|c| if c == '\n' || c == '\t' { c } else { shown(c) }).collect()
}

fn shown(c: char) -> char {
    match c {
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        '\u{80}'..='\u{9f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}' => '\u{fffd}',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_reaches_the_terminal_as_a_command() {
        assert_eq!(harmless("a\x1b[31mb\nc\x07\u{202e}"), "a␛[31mb c␇\u{fffd}");
        assert_eq!(harmless_lines("a\r\n\tb\x7f"), "a\n\tb␡");
    }
}
