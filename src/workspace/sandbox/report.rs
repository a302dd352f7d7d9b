//! What the stage tells the engine, a line each, over the socket between them: the layers once they are in force, then how
//! the command ended or why it was never started. The command itself has no access to that socket.

use std::io;

/// One thing told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// A layer is in force for the command.
    Layer(String),
    /// A layer could not be had; nothing was started.
    Refused(String),
    /// The program could not be started inside: what the kernel said.
    NotStarted(i32),
    /// The command ended by itself with this code.
    Exited(i32),
    /// The command was ended by this signal.
    Signalled(i32),
    /// What those that ended took so far: time on processors, and the memory of the largest.
    Took { cpu_ms: u64, memory_bytes: u64 },
    /// So many processes were ended at the bound of memory.
    MemoryKills(u32),
}

impl Told {
    /// Its line.
    pub fn line(&self) -> String {
        match self {
            Self::Layer(name) => format!("layer {}\n", on_one_line(name)),
            Self::Refused(why) => format!("refused {}\n", on_one_line(why)),
            Self::NotStarted(errno) => format!("not-started {errno}\n"),
            Self::Exited(code) => format!("exited {code}\n"),
            Self::Signalled(signal) => format!("signalled {signal}\n"),
            Self::Took { cpu_ms, memory_bytes } => format!("took {cpu_ms} {memory_bytes}\n"),
            Self::MemoryKills(count) => format!("memory-kills {count}\n"),
        }
    }

    /// Reads a line.
    pub fn parse(line: &str) -> Option<Self> {
        let (key, value) = line.split_once(' ')?;
        Some(match key {
            "layer" => Self::Layer(value.to_owned()),
            "refused" => Self::Refused(value.to_owned()),
            "not-started" => Self::NotStarted(value.parse().ok()?),
            "exited" => Self::Exited(value.parse().ok()?),
            "signalled" => Self::Signalled(value.parse().ok()?),
            "took" => {
                let (cpu_ms, memory_bytes) = value.split_once(' ')?;
                Self::Took { cpu_ms: cpu_ms.parse().ok()?, memory_bytes: memory_bytes.parse().ok()? }
            }
            "memory-kills" => Self::MemoryKills(value.parse().ok()?),
            _ => return None,
        })
    }
}

fn on_one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// Adds what was being done to an error of the system's.
pub(super) fn doing<E: Into<io::Error>>(what: impl std::fmt::Display) -> impl FnOnce(E) -> io::Error {
    move |error| {
        let error = error.into();
        io::Error::new(error.kind(), format!("{what}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_back() {
        let all = [
            Told::Layer("landlock 7".to_owned()),
            Told::Refused("a b: c".to_owned()),
            Told::NotStarted(2),
            Told::Exited(-1),
            Told::Signalled(9),
            Told::Took { cpu_ms: 12, memory_bytes: 1 << 40 },
            Told::MemoryKills(2),
        ];
        for told in all {
            let line = told.line();
            assert_eq!(Told::parse(line.trim_end()), Some(told));
        }
        assert_eq!(Told::Refused("a\nexited 0".to_owned()).line(), "refused a exited 0\n");
        assert_eq!(Told::parse("exited x"), None);
    }
}
