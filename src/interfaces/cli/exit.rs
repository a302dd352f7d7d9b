//! Exit codes: a public table. A number never changes its meaning.

/// How a verb ended, for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done; for `run` and `resume`: the project is DONE.
    Done,
    /// The project failed.
    Failed,
    /// The command line, a workflow file or an input is not valid; nothing was changed.
    Usage,
    /// The project is held and needs a person.
    Held,
    /// The project was cancelled.
    Cancelled,
    /// No such project, task, file or code.
    NotFound,
    /// Refused in the present state.
    Refused,
    /// The home is in use by someone who does not answer.
    HomeInUse,
    /// Something stored is damaged or cannot be written.
    Damaged,
    /// A defect of wfctl.
    Defect,
    /// Interrupted by a signal; the project can be resumed.
    Interrupted,
    /// Not wfctl's own: the code of the command that it ran, for `sandbox`.
    OfCommand(u8),
}

impl Exit {
    /// All of them, ascending.
    pub const ALL: [Self; 11] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Held,
        Self::Cancelled,
        Self::NotFound,
        Self::Refused,
        Self::HomeInUse,
        Self::Damaged,
        Self::Defect,
        Self::Interrupted,
    ];

    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Held => 3,
            Self::Cancelled => 4,
            Self::NotFound => 5,
            Self::Refused => 6,
            Self::HomeInUse => 7,
            Self::Damaged => 8,
            Self::Defect => 70,
            Self::Interrupted => 130,
            Self::OfCommand(code) => code,
        }
    }

    /// What it means, for the table.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done; for run and resume: the project is DONE",
            Self::Failed => {
                "the project failed; for audit verify: the journal does not verify; for replay: a difference"
            }
            Self::Usage => "the command line, a workflow file or an input is not valid; nothing was changed",
            Self::Held => "the project is held and needs a person: `wfctl why ID`",
            Self::Cancelled => "the project was cancelled",
            Self::NotFound => "there is no such project, task, file or code",
            Self::Refused => "refused in the present state, or answered already",
            Self::HomeInUse => "the home is in use by a process that does not answer",
            Self::Damaged => "something stored is damaged, or cannot be written",
            Self::Defect => "a defect of wfctl",
            Self::Interrupted => "interrupted by a signal; the project can be resumed",
            Self::OfCommand(_) => "what the command ended with",
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
