//! The `wfctl` command.

fn main() {}
