//! The fault scenarios of the field, each with its number, in-process.

use wfctl::domain::machine::{ProjectStatus, TaskStatus};

use super::support::flows::*;
use super::support::rig::*;

#[test]
fn smoke() {
    let mut rig = Rig::new(2, 1);
    let id = rig.start("p", flow(vec![run("a", &[]), run("b", &["a"])]));
    rig.end("a", good());
    assert_eq!(rig.task(&id, "b"), TaskStatus::Running);
    rig.restart();
    rig.end("b", good());
    assert_eq!(rig.status(&id), ProjectStatus::Done);
}
