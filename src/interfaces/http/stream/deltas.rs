//! Words of models that go to the clients of a project in one go, rendered once for all of them.
//!
//! Deltas have no place in the journal and no id: they are told ahead of the records that they belong to, or not at all.

use std::sync::Arc;

use bytes::Bytes;

use super::piece;
use crate::domain::ids::Seq;
use crate::domain::limits;
use crate::engine::Delta;
use crate::interfaces::api::Line;

/// Some words, in the order in which they were said.
#[derive(Debug)]
pub struct Deltas {
    /// The last record that was known when they were taken: whoever knows more may know their reply already, and gets none.
    pub after: Seq,
    /// Each as a JSON line without its end.
    pub lines: Vec<Bytes>,
    /// All of them as server-sent events.
    pub sse: Bytes,
}

impl Deltas {
    /// Renders what was said, in as many goes as its size asks for. Words of one reply that follow each other become one line.
    pub fn of(said: &[Arc<Delta>], after: Seq) -> Vec<Self> {
        let mut goes = vec![Vec::new()];
        let (mut bytes, mut open): (usize, Option<(Delta, u64)>) = (0, None);
        for delta in said {
            let chars = delta.text.chars().count() as u64;
            if bytes + delta.text.len() > limits::STREAM_DELTAS_BYTES {
                close(&mut goes, open.take());
                goes.push(Vec::new());
                bytes = 0;
            }
            bytes += delta.text.len();
            match &mut open {
                Some((before, next)) if goes_on(before, *next, delta) => {
                    before.text.push_str(&delta.text);
                    *next += chars;
                }
                Some(_) | None => {
                    close(&mut goes, open.take());
                    open = Some((Delta::clone(delta), delta.at + chars));
                }
            }
        }
        close(&mut goes, open);
        goes.into_iter().filter(|lines| !lines.is_empty()).map(|lines| Self::rendered(lines, after)).collect()
    }

    fn rendered(deltas: Vec<Delta>, after: Seq) -> Self {
        let (mut lines, mut sse) = (Vec::with_capacity(deltas.len()), Vec::new());
        for delta in deltas {
            let line = piece::render(&Line::Delta {
                v: 1,
                project: delta.project,
                task: delta.task.to_string(),
                attempt: delta.attempt.0,
                call: delta.call.0,
                at: delta.at,
                text: delta.text,
            });
            piece::push(&mut sse, None, "delta", &line);
            lines.push(line);
        }
        Self { after, lines, sse: sse.into() }
    }
}

/// Whether `delta` is the very next of the reply that `before` belongs to.
fn goes_on(before: &Delta, next: u64, delta: &Delta) -> bool {
    (&before.task, before.attempt, before.call, next) == (&delta.task, delta.attempt, delta.call, delta.at)
}

fn close(goes: &mut [Vec<Delta>], open: Option<(Delta, u64)>) {
    if let (Some(last), Some((delta, _))) = (goes.last_mut(), open) {
        last.push(delta);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::ids::{Attempt, CallIx, ProjectId};

    fn said(call: u32, at: u64, text: &str) -> Arc<Delta> {
        let project = ProjectId::new("p").unwrap();
        let (task, call, text) = (Arc::from("write"), CallIx(call), text.to_owned());
        Arc::new(Delta { project, task, attempt: Attempt(1), call, at, text })
    }

    fn told(deltas: &Deltas) -> Vec<Value> {
        deltas.lines.iter().map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    #[test]
    fn words_that_follow_each_other_are_one_line_and_a_gap_or_another_call_begins_one() {
        let all = [said(1, 0, "hä"), said(1, 2, "llo"), said(1, 9, "!"), said(4, 0, "x"), said(4, 0, "again")];
        let goes = Deltas::of(&all, Seq(7));
        assert_eq!((goes.len(), goes[0].after), (1, Seq(7)));
        let parts = told(&goes[0]).into_iter().map(|line| json!([line["call"], line["at"], line["text"]]));
        let wanted = [json!([1, 0, "hällo"]), json!([1, 9, "!"]), json!([4, 0, "x"]), json!([4, 0, "again"])];
        assert_eq!(parts.collect::<Vec<_>>(), wanted);
        assert_eq!(told(&goes[0])[0]["type"], "delta");
        let sse = String::from_utf8(goes[0].sse.to_vec()).unwrap();
        assert!(sse.starts_with("event: delta\ndata: {") && sse.ends_with("}\n\n"), "{sse}");
        assert!(!sse.contains("id:"), "the last id stays a position in the journal");
        assert!(Deltas::of(&[], Seq(7)).is_empty());
    }

    #[test]
    fn what_is_more_than_one_go_may_have_goes_in_several() {
        let text = "x".repeat(limits::DELTA_BYTES);
        let count = limits::STREAM_DELTAS_BYTES / limits::DELTA_BYTES + 1;
        let all: Vec<_> = (0..count).map(|at| said(1, (at * limits::DELTA_BYTES) as u64, &text)).collect();
        let goes = Deltas::of(&all, Seq(1));
        assert_eq!(
            goes.iter().map(|go| told(go)[0]["at"].as_u64()).collect::<Vec<_>>(),
            [Some(0), Some(limits::STREAM_DELTAS_BYTES as u64)]
        );
        assert!(goes.iter().all(|go| told(go)[0]["text"].as_str().unwrap().len() <= limits::STREAM_DELTAS_BYTES));
    }
}
