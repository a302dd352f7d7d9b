//! What can be typed about a project's journal and what is made of it.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `audit`.
#[derive(Debug, Args)]
pub struct Audit {
    #[command(subcommand)]
    pub what: AuditWhat,
}

/// What is done with a journal.
#[derive(Debug, Subcommand)]
pub enum AuditWhat {
    /// Prove that every record is the one that was written
    Verify {
        /// The projects [default: all]
        projects: Vec<String>,
        /// A head noted earlier (SEQ:HASH), which must still be part of the journal
        #[arg(long, value_name = "SEQ:HASH")]
        head: Option<String>,
    },
    /// Print every record with its hash as JSON lines
    Export {
        /// The project
        project: String,
    },
    /// Print the position and hash of the last record, to be noted elsewhere
    Head {
        /// The project
        project: String,
    },
}

/// `export`.
#[derive(Debug, Args)]
pub struct Export {
    /// The project
    pub project: String,
    /// The database to write; it must not be there yet
    #[arg(long, value_name = "FILE")]
    pub sqlite: PathBuf,
}
