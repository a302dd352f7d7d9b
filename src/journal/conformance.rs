//! The store's contract as one suite: every implementation's tests run it. It knows only the trait.
//!
//! Panics where a store breaks the contract, as a test does.

use super::chain::{self, ChainHead};
use super::samples;
use super::store::{Append, Error, Store};
use crate::domain::ids::{Epoch, ProjectId, Seq};
use crate::domain::limits;
use crate::domain::machine::ProjectStatus;
use crate::domain::time::Millis;
use crate::domain::view::Summary;

/// `records` small records that continue `head`, ready to be committed, and the head after them.
pub fn append(project: &ProjectId, head: ChainHead, records: u64) -> (Append, ChainHead) {
    let records: Vec<_> = (1..=records).map(|n| samples::typical(head.seq.0 + n)).collect();
    let (frame, head) = chain::encode_frame(project, &head, &records).expect("small records fit");
    (Append { project: project.clone(), frame, last: head.seq, summary: None }, head)
}

/// A summary with `note`.
pub fn summary(project: &ProjectId, note: &str) -> Summary {
    Summary {
        id: project.clone(),
        workflow: "w".to_owned(),
        status: ProjectStatus::Build,
        created: Millis(1),
        changed: Millis(2),
        parent: None,
        note: note.to_owned(),
    }
}

fn id(text: &str) -> ProjectId {
    ProjectId::new(text).expect("a fixed, valid id")
}

fn genesis(project: &ProjectId) -> ChainHead {
    ChainHead::genesis(project)
}

/// Checks everything that one opening can show. `fresh` gives a new, empty store each time.
pub fn check<S: Store>(fresh: impl Fn() -> S) {
    order_and_paging(&fresh());
    gaps_are_refused_and_a_commit_is_atomic(&fresh());
    stale_epochs_are_fenced(&fresh());
    summaries_follow(&fresh());
    removal(&fresh());
    large_frames_come_back_whole(&fresh());
    readers_see_whole_commits(&fresh());
}

/// Checks what must survive closing: each call of `open` opens the same home again.
pub fn check_reopening<S: Store>(open: impl Fn() -> S) {
    let project = id("reopened");
    let (first, head) = append(&project, genesis(&project), 3);
    {
        let store = open();
        let epoch = store.take_over().expect("take over");
        store.commit(epoch, &[Append { summary: Some(summary(&project, "one")), ..first.clone() }]).expect("commit");
    }
    let store = open();
    let epoch = store.epoch().expect("epoch");
    assert!(epoch > Epoch(0), "the epoch survives");
    let next = store.take_over().expect("take over");
    assert!(next > epoch, "an epoch is never used twice");
    assert_eq!(store.frames(&project, Seq(1), usize::MAX).expect("read"), vec![first.frame.clone()]);
    assert_eq!(store.summary(&project).expect("read"), Some(summary(&project, "one")));
    assert!(matches!(store.commit(next, &[first]), Err(Error::Gap { .. })), "the last position survives");
    let (second, _) = append(&project, head, 1);
    assert!(matches!(store.commit(epoch, std::slice::from_ref(&second)), Err(Error::Fenced { .. })));
    store.commit(next, &[second]).expect("commit");
}

fn order_and_paging(store: &impl Store) {
    let epoch = store.take_over().expect("take over");
    // Ids of which one is the other's prefix, so that keys of one must not be read as the other's.
    let (project, neighbour) = (id("a"), id("a-b"));
    let mut head = genesis(&project);
    let mut neighbour_head = genesis(&neighbour);
    let mut written = Vec::new();
    for n in 0..40 {
        let (one, new_head) = append(&project, head, 1 + n % 3);
        let (other, new_neighbour) = append(&neighbour, neighbour_head, 1);
        (head, neighbour_head) = (new_head, new_neighbour);
        written.push(one.frame.clone());
        store.commit(epoch, &[one, other]).expect("commit");
    }
    assert_eq!(store.frames(&project, Seq(1), usize::MAX).expect("read"), written);
    assert_eq!(store.last_frame(&project).expect("read").as_ref(), written.last());
    let one_frame = store.frames(&project, Seq(1), 0).expect("read");
    assert_eq!(one_frame, written[..1], "at least one frame is returned");
    let two = written[0].bytes.len() + written[1].bytes.len();
    assert_eq!(store.frames(&project, Seq(1), two).expect("read"), written[..2]);
    // The second frame holds records 2 and 3.
    assert_eq!(store.frames(&project, Seq(3), 0).expect("read"), written[1..2], "from the middle of a frame");
    assert!(store.frames(&project, head.seq.next(), usize::MAX).expect("read").is_empty());
    assert!(store.frames(&id("absent"), Seq(1), usize::MAX).expect("read").is_empty());
    assert_eq!(store.last_frame(&id("absent")).expect("read"), None);
    assert_eq!(store.projects().expect("read"), [project, neighbour]);
}

fn gaps_are_refused_and_a_commit_is_atomic(store: &impl Store) {
    let epoch = store.take_over().expect("take over");
    let (good, bad) = (id("good"), id("bad"));
    let (one, head) = append(&good, genesis(&good), 2);
    let (_, bad_head) = append(&bad, genesis(&bad), 1);
    let (gap, _) = append(&bad, bad_head, 1);
    let error = store.commit(epoch, &[one.clone(), gap]).expect_err("a gap is refused");
    assert!(matches!(error, Error::Gap { expected: Seq(1), got: Seq(2), .. }), "{error}");
    assert!(store.last_frame(&good).expect("read").is_none(), "nothing of a refused commit stays");
    store.commit(epoch, std::slice::from_ref(&one)).expect("commit");
    let again = store.commit(epoch, &[one]).expect_err("a frame is not written twice");
    assert!(matches!(again, Error::Gap { expected: Seq(3), got: Seq(1), .. }), "{again}");
    let (two, _) = append(&good, head, 1);
    store.commit(epoch, &[two]).expect("a refusal does no harm");
}

fn stale_epochs_are_fenced(store: &impl Store) {
    assert_eq!(store.epoch().expect("epoch"), Epoch(0));
    let old = store.take_over().expect("take over");
    let new = store.take_over().expect("take over");
    assert!(new > old);
    assert_eq!(store.epoch().expect("epoch"), new);
    let project = id("fenced");
    let (one, _) = append(&project, genesis(&project), 1);
    let fenced =
        |result: Result<(), Error>| matches!(result, Err(Error::Fenced { mine, owner }) if mine == old && owner == new);
    assert!(fenced(store.commit(old, std::slice::from_ref(&one))));
    assert!(fenced(store.remove(old, &project)));
    assert!(fenced(store.rebuild_summaries(old, &[summary(&project, "x")])));
    assert!(store.last_frame(&project).expect("read").is_none());
    store.commit(new, &[one]).expect("the owner goes on");
}

fn summaries_follow(store: &impl Store) {
    let epoch = store.take_over().expect("take over");
    let (a, b) = (id("a"), id("b"));
    let (one, head) = append(&b, genesis(&b), 1);
    let (other, _) = append(&a, genesis(&a), 1);
    let with = |append: Append, note| Append { summary: Some(summary(&append.project, note)), ..append };
    store.commit(epoch, &[with(one, "b1"), with(other, "a1")]).expect("commit");
    let (two, _) = append(&b, head, 1);
    store.commit(epoch, &[two]).expect("commit");
    assert_eq!(
        store.summary(&b).expect("read"),
        Some(summary(&b, "b1")),
        "a commit without a summary keeps the old one"
    );
    let all: Vec<_> = store.summaries().expect("read").into_iter().map(|one| one.expect("whole")).collect();
    assert_eq!(all, [summary(&a, "a1"), summary(&b, "b1")]);
    store.rebuild_summaries(epoch, &[summary(&b, "rebuilt")]).expect("rebuild");
    assert_eq!(store.summary(&b).expect("read"), Some(summary(&b, "rebuilt")));
    assert_eq!(store.summary(&id("absent")).expect("read"), None);
}

fn removal(store: &impl Store) {
    let epoch = store.take_over().expect("take over");
    let (gone, kept) = (id("gone"), id("gone-not"));
    let (one, _) = append(&gone, genesis(&gone), 3);
    let (other, _) = append(&kept, genesis(&kept), 1);
    let one = Append { summary: Some(summary(&gone, "x")), ..one };
    store.commit(epoch, &[one.clone(), other]).expect("commit");
    for _ in 0..2 {
        store.remove(epoch, &gone).expect("removing is idempotent");
        assert!(store.frames(&gone, Seq(1), usize::MAX).expect("read").is_empty());
        assert_eq!(store.summary(&gone).expect("read"), None);
        assert_eq!(store.projects().expect("read"), std::slice::from_ref(&kept));
    }
    store.commit(epoch, &[one]).expect("a removed id starts again at 1");
    assert!(store.last_frame(&kept).expect("read").is_some());
}

fn large_frames_come_back_whole(store: &impl Store) {
    let epoch = store.take_over().expect("take over");
    let project = id("large");
    let mut head = genesis(&project);
    let mut written = Vec::new();
    for bytes in [limits::STORE_PART_BYTES, 3 * limits::STORE_PART_BYTES, limits::RECORD_BYTES - 64, 10] {
        let record = samples::released(head.seq.0 + 1, &"x".repeat(bytes));
        let (frame, new_head) = chain::encode_frame(&project, &head, &[record]).expect("it fits");
        written.push(frame.clone());
        store
            .commit(epoch, &[Append { project: project.clone(), frame, last: new_head.seq, summary: None }])
            .expect("commit");
        head = new_head;
    }
    assert_eq!(store.frames(&project, Seq(1), usize::MAX).expect("read"), written);
    assert_eq!(store.frames(&project, Seq(3), 1).expect("read"), written[2..3]);
    assert_eq!(store.last_frame(&project).expect("read").as_ref(), written.last());
}

fn readers_see_whole_commits(store: &impl Store) {
    let epoch = store.take_over().expect("take over");
    let project = id("shared");
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = Seq(0);
            while seen < Seq(60) {
                let frames = store.frames(&project, Seq(1), usize::MAX).expect("read");
                let mut head = genesis(&project);
                for frame in &frames {
                    let decoded = chain::decode_frame(&project, frame, Some(&head)).expect("a whole prefix");
                    let (record, hash) = decoded.last().expect("a frame has records");
                    head = ChainHead { seq: record.seq, hash: *hash };
                }
                assert!(head.seq >= seen, "what was read stays");
                seen = head.seq;
            }
        });
        let mut head = genesis(&project);
        for _ in 0..30 {
            let (next, new_head) = append(&project, head, 2);
            store.commit(epoch, &[next]).expect("commit");
            head = new_head;
        }
        reader.join().expect("the reader found no contradiction");
    });
}
