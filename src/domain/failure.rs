//! What can go wrong with a step, in classes that retry policies and people can name.
//! The mapping from exit codes, HTTP statuses and signals to classes is made where they are seen (`steps/`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! classes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, retried: $retried:literal;)*) => {
        /// The class of a failure. Names are stable: they stand in workflow files and in journals.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum FailureClass { $($(#[$doc])* #[serde(rename = $name)] $variant,)* }

        impl FailureClass {
            /// All classes, in the order they are documented.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Whether a policy that does not say otherwise retries it.
            pub fn retried_by_default(self) -> bool {
                match self { $(Self::$variant => $retried,)* }
            }
        }
    };
}

classes! {
    /// A command ended with a non-zero code.
    Exit = "exit", retried: true;
    /// The command or its interpreter was not found, or is not executable (126, 127).
    NotFound = "not-found", retried: false;
    /// A command was ended by a signal.
    Signal = "signal", retried: true;
    /// The total time limit passed.
    Timeout = "timeout", retried: true;
    /// No output for longer than the idle limit.
    Idle = "idle", retried: true;
    /// A validation said no.
    Validation = "validation", retried: true;
    /// A connection that broke after the request may have been sent.
    Transport = "transport", retried: true;
    /// HTTP 4xx other than 408, 425 and 429.
    HttpClient = "http-4xx", retried: false;
    /// HTTP 5xx, 408 and 425.
    HttpServer = "http-5xx", retried: true;
    /// HTTP 429; its `retry-after` is honoured.
    RateLimited = "rate-limited", retried: true;
    /// More output than the limit, or output that cannot be kept.
    Oversized = "oversized", retried: false;
    /// Output that is not what the workflow declared (JSON expected).
    Malformed = "malformed", retried: true;
    /// A person or an external worker said no.
    Rejected = "rejected", retried: false;
    /// A deadline of an approval, a signal or a lease passed.
    Expired = "expired", retried: false;
    /// A template or condition could not be evaluated.
    Expression = "expression", retried: false;
    /// The files of two tasks cannot be merged.
    Conflict = "conflict", retried: false;
    /// The workspace could not be made ready.
    Workspace = "workspace", retried: true;
    /// A child project failed or was cancelled.
    Child = "child", retried: false;
    /// What is being run differs from what was journaled.
    Diverged = "diverged", retried: true;
    /// The engine stopped in the middle; such an attempt does not count.
    Interrupted = "interrupted", retried: true;
    /// Cancelled on request.
    Cancelled = "cancelled", retried: false;
    /// The engine died in the middle of this step too often.
    Poison = "poison", retried: false;
    /// A defect of the engine or of its host; never the step's own fault.
    Internal = "internal", retried: true;
    /// No connection, or no name resolution: nothing was sent.
    Unreachable = "unreachable", retried: true;
    /// A provider's quota is used up until a known time (`retry_after_ms`); the task is parked until then.
    Quota = "quota", retried: true;
    /// The account with a provider has no money left: a person must act.
    Credits = "credits", retried: false;
    /// A provider is overloaded (503, 529).
    Overloaded = "overloaded", retried: true;
    /// A conversation no longer fits the model's context window.
    ContextOverflow = "context-overflow", retried: false;
    /// A model stopped at its output limit before it was done.
    Truncated = "truncated", retried: true;
    /// A model answered nothing.
    EmptyReply = "empty-reply", retried: true;
    /// A model or its provider's policy refused; never sent again to the same model as it was.
    Refusal = "refusal", retried: false;
    /// A key is missing, wrong or not allowed: a person must act.
    Auth = "auth", retried: false;
    /// A provider does not understand the request or a parameter of it.
    BadRequest = "bad-request", retried: false;
    /// No such model, or it was retired.
    ModelNotFound = "model-not-found", retried: false;
    /// Sent, and no answer came: it may have been billed. Charged at what was reserved.
    Uncertain = "uncertain", retried: true;
    /// An agent repeats itself or makes no progress.
    Stuck = "stuck", retried: true;
    /// An agent used up its turns.
    Turns = "turns", retried: true;
    /// A price is not known, or a cap leaves no room for the call.
    Budget = "budget", retried: false;
    /// The sandbox that a command must run in cannot be had; it did not run.
    Sandbox = "sandbox", retried: false;
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FailureClass {
    type Err = ();
    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|class| class.name() == name).ok_or(())
    }
}

/// One failure: its class and what a person needs to understand it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Its class.
    pub class: FailureClass,
    /// One line: what, where, why.
    pub message: String,
    /// The other side asked to wait at least this long (`retry-after`).
    pub retry_after_ms: Option<u64>,
}

impl Failure {
    /// A failure without a wish for a delay.
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), retry_after_ms: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.class)
    }
}
