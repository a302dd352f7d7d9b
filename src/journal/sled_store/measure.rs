//! How fast commits are, beside a plain append with `fdatasync` of the same bytes. Run by hand, on an idle machine:
//! `cargo test --release journal::sled_store::measure -- --ignored --nocapture --test-threads 1`

use std::io::Write as _;
use std::time::Instant;

use super::*;
use crate::journal::chain::ChainHead;
use crate::journal::conformance::append;

/// Commits of one record each for `width` projects at once.
fn prepare(width: usize, commits: usize) -> Vec<Vec<Append>> {
    let projects: Vec<ProjectId> = (0..width).map(|n| ProjectId::new(&format!("project-{n}")).unwrap()).collect();
    let mut heads: Vec<ChainHead> = projects.iter().map(ChainHead::genesis).collect();
    (0..commits)
        .map(|_| {
            let both = projects.iter().zip(&mut heads);
            both.map(|(project, head)| {
                let (next, new_head) = append(project, *head, 1);
                *head = new_head;
                next
            })
            .collect()
        })
        .collect()
}

fn median_us(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn compare(width: usize, commits: usize) {
    let work = prepare(width, commits);
    let dir = tempfile::tempdir().unwrap();
    let mut file = File::create(dir.path().join("floor")).unwrap();
    let mut floor = Vec::new();
    for commit in &work {
        let started = Instant::now();
        let bytes: Vec<u8> = commit.iter().flat_map(|append| append.frame.bytes.iter().copied()).collect();
        file.write_all(&bytes).unwrap();
        rustix::fs::fdatasync(&file).unwrap();
        floor.push(started.elapsed().as_secs_f64() * 1e6);
    }
    let store = SledStore::open(&dir.path().join("store")).unwrap();
    let epoch = store.take_over().unwrap();
    let mut ours = Vec::new();
    for commit in &work {
        let started = Instant::now();
        store.commit(epoch, commit).unwrap();
        ours.push(started.elapsed().as_secs_f64() * 1e6);
    }
    let total = ours.iter().sum::<f64>() / 1e6;
    let records = width * commits;
    let (floor, ours) = (median_us(floor), median_us(ours));
    println!(
        "{width:>4} records a commit: floor {floor:.0} us, store {ours:.0} us ({:.2}x), {:.0} records/s, {} bytes a record",
        ours / floor,
        records as f64 / total,
        store.size_on_disk() / records as u64,
    );
}

#[test]
#[ignore = "a measurement, not a check"]
fn commits_beside_the_floor() {
    compare(1, 4_000);
    compare(16, 1_000);
    compare(256, 300);
}
