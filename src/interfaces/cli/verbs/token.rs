//! `wfctl token`: who may ask a server.

use super::super::args::{self, TokenRole};
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use crate::interfaces::http::{Role, Tokens};

/// The folder of the server's files in the home.
pub const FOLDER: &str = "http";

/// Prints one; makes all three at first use.
pub fn run(context: &Context, arguments: &args::Token) -> Result<Exit, Error> {
    let role = match arguments.role {
        TokenRole::Read => Role::Read,
        TokenRole::Operate => Role::Operate,
        TokenRole::Admin => Role::Admin,
    };
    let tokens = open(context)?;
    let token = match arguments.rotate {
        true => tokens.rotate(role, &context.app.fresh_secret()),
        false => tokens.token(role),
    };
    let token = token.map_err(|source| refused(context, source))?;
    if context.is_json {
        context.terminal.json(&serde_json::json!({"v": 1, "type": "token", "role": role, "token": token}))?;
    } else {
        context.terminal.data(token)?;
    }
    Ok(Exit::Done)
}

/// The tokens of the home, made at first use.
pub fn open(context: &Context) -> Result<Tokens, Error> {
    let files = context.app.private_files(FOLDER);
    Tokens::open(files, || context.app.fresh_secret()).map_err(|source| refused(context, source))
}

fn refused(context: &Context, source: std::io::Error) -> Error {
    let path = context.app.private_files(FOLDER).folder().join("tokens.json");
    Error::File { doing: "keep tokens in", path, source }
}
