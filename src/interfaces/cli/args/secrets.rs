//! What can be typed about secrets.

use clap::{Args, Subcommand};

/// `secrets`.
#[derive(Debug, Args)]
pub struct Secrets {
    #[command(subcommand)]
    pub what: SecretsWhat,
}

const SET_HELP: &str = "The value is read from stdin, or asked for without showing it when that is a terminal; it is never an argument,
which other processes could see. It goes to secrets.toml beside your configuration (mode 0600), or with --keyring to the keyring
entry that the secret is declared with (keyring:service/user; service wfctl, user NAME when it is not declared yet).

A workflow can name a secret once it is declared in [secrets] of your configuration:
  [secrets]
  DB_PASSWORD = \"file\"                       # secrets.toml
  DEPLOY_KEY  = \"env:DEPLOY_KEY\"             # the environment of wfctl
  NPM_TOKEN   = \"keyring:wfctl/NPM_TOKEN\"    # built with --features keyring
  API_KEY     = \"vault:kv/team/api#key\"      # built with --features vault; VAULT_ADDR, VAULT_TOKEN or ~/.vault-token";

/// What is done with secrets.
#[derive(Debug, Subcommand)]
pub enum SecretsWhat {
    /// List the declared ones: where each is, and whether it is there
    List,
    /// Keep a value
    #[command(after_help = SET_HELP)]
    Set {
        /// The name
        name: String,
        /// In the keyring instead of secrets.toml
        #[arg(long)]
        keyring: bool,
    },
    /// Tell which can be had
    Check {
        /// The names [default: all that are declared]
        names: Vec<String>,
        /// And all that this workflow names
        #[arg(long, value_name = "WORKFLOW")]
        workflow: Option<String>,
    },
    /// Forget a value
    Remove {
        /// The name
        name: String,
        /// In the keyring instead of secrets.toml
        #[arg(long)]
        keyring: bool,
    },
}
