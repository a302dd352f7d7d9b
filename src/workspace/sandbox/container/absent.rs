//! A build without containers: the same names, and every answer is no.

use std::path::Path;

use super::super::{Engines, Missing, Place};
use super::Engine;
use crate::domain::sandbox::Backend;

/// None is found.
pub(in super::super) async fn find(backend: Backend, _: &Place<'_>) -> Result<Engine, Missing> {
    Err(missing(backend))
}

/// None answers.
pub(in super::super) async fn answers(backend: Backend, _: &Engines) -> Result<String, Missing> {
    Err(missing(backend))
}

/// There is nothing to remove them with.
pub(in super::super) async fn reap(_: &Path, _: &str, _: impl Fn(&str) -> bool) -> Result<usize, String> {
    Err("this build was made without containers (cargo feature `docker`)".to_owned())
}

fn missing(backend: Backend) -> Missing {
    let why = "this build was made without containers (cargo feature `docker`)".to_owned();
    Missing { backend, why, remedy: "choose another backend: --sandbox auto".into() }
}
