//! The journal alone: what one durable transition costs, and how the cost falls when many wait for the same sync.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

mod support;

use std::time::Duration;

use support::{head, median, ms, ratio, report, scaled, timed};
use wfctl::domain::ids::{Epoch, ProjectId, Seq};
use wfctl::journal::chain::{ChainHead, FrameBuilder, decode_frame, encode_frame};
use wfctl::journal::record::Record;
use wfctl::journal::sled_store::SledStore;
use wfctl::journal::store::{Append, Store};

/// Projects that append side by side.
struct Writers {
    store: SledStore,
    epoch: Epoch,
    heads: Vec<(ProjectId, ChainHead)>,
    record: Record,
}

impl Writers {
    fn new(dir: &std::path::Path, projects: usize) -> Self {
        let store = SledStore::open(&dir.join("store")).expect("a store that opens");
        let epoch = store.take_over().expect("a store that can be owned");
        let id = |at: usize| ProjectId::new(&format!("project-{at}")).expect("valid");
        let heads = (0..projects).map(|at| (id(at), ChainHead::genesis(&id(at)))).collect();
        Self { store, epoch, heads, record: wfctl::journal::samples::typical(1) }
    }

    /// One commit with `each` records of each project; encoding and hashing included. Gives the bytes of the frames.
    fn commit(&mut self, each: usize) -> usize {
        let mut appends = Vec::with_capacity(self.heads.len());
        for (project, head) in &mut self.heads {
            let mut builder = FrameBuilder::new(project, *head);
            for offset in 0..each as u64 {
                self.record.seq = Seq(head.seq.0 + 1 + offset);
                builder.push(&self.record).expect("a record that fits");
            }
            let (frame, after) = builder.finish().expect("at least one record");
            *head = after;
            appends.push(Append { project: project.clone(), frame, last: after.seq, summary: None });
        }
        self.store.commit(self.epoch, &appends).expect("a commit that is accepted");
        appends.iter().map(|append| append.frame.bytes.len()).sum()
    }
}

fn waiting(what: &str, projects: usize, each: usize, must: &str, aim: &str) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut floor = support::Floor::new(dir.path());
    let mut writers = Writers::new(dir.path(), projects);
    let bytes = vec![7u8; writers.commit(each)];
    // Commits and syncs take turns, so that whatever else the machine does hits both.
    let rounds = scaled(301, 5);
    let mut floors = Vec::with_capacity(rounds);
    let took = median(rounds, || {
        floors.push(floor.syncs(1, &bytes));
        timed(|| writers.commit(each)).1
    });
    floors.sort_unstable();
    let base: Duration = floors[rounds / 2];
    let per_second = (projects * each) as f64 / took.as_secs_f64();
    let measured = format!("{} = {per_second:.0} transitions/s", ms(took));
    report(what, &measured, &format!("{} (sync of {} bytes: {})", ratio(took, base), bytes.len(), ms(base)), must, aim);
}

fn main() {
    head();
    waiting("one durable transition, alone", 1, 1, "<= 2.0 x", "1.3 x");
    waiting("16 projects with one each", 16, 1, "-", "-");
    waiting("256 waiting, one project", 1, 256, ">= 100,000/s", "300,000/s");
    waiting("256 waiting, 16 projects", 16, 16, ">= 100,000/s", "300,000/s");
    waiting("256 waiting, 256 projects", 256, 1, ">= 100,000/s", "300,000/s");
    println!();
    // What costs processor time only, with divan's statistics.
    divan::main();
}

fn records() -> Vec<Record> {
    (1..=256).map(wfctl::journal::samples::typical).collect()
}

fn project() -> ProjectId {
    ProjectId::new("project-1").expect("valid")
}

#[divan::bench(sample_count = 50)]
fn encode_and_hash_256_records(bencher: divan::Bencher<'_, '_>) {
    let (project, records) = (project(), records());
    let head = ChainHead::genesis(&project);
    bencher.bench_local(|| encode_frame(&project, &head, divan::black_box(&records)).expect("records that fit"));
}

#[divan::bench(sample_count = 50)]
fn prove_and_decode_256_records(bencher: divan::Bencher<'_, '_>) {
    let project = project();
    let head = ChainHead::genesis(&project);
    let (frame, _) = encode_frame(&project, &head, &records()).expect("records that fit");
    bencher.bench_local(|| decode_frame(&project, divan::black_box(&frame), Some(&head)).expect("a sound frame"));
}
