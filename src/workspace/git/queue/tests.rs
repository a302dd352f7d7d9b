//! What the queue promises, each promise with the event that could break it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::rig::{LookGate, NoGate, Rig, project};
use super::*;
use crate::domain::failure::FailureClass;
use crate::domain::limits;
use crate::workspace::git::land::land;
use crate::workspace::git::{LandOrder, TaskCommit, commit_resolution, conflict_context, land_back, prepare_conflict};

const POEM: &str = "one\ntwo\nthree\nfour\nfive\nsix\n";

#[tokio::test]
async fn a_task_comes_in_once_and_asking_again_gives_the_same_answer() {
    let rig = Rig::new(&[("d/a", POEM), ("b", "x\n")]);
    let first = rig.edit("first", "d/a", &POEM.replace("one", "1"));
    let second = rig.edit("second", "d/a", &POEM.replace("six", "6"));
    let merged = rig.merge("first", &first).await.unwrap();
    assert_eq!((merged.position, merged.batch, merged.commit.clone()), (1, 1, rig.head()));
    let both = rig.merge("second", &second).await.unwrap();
    assert_eq!(both.position, 2);
    assert_eq!(rig.files(&both.commit)["d/a"], POEM.replace("one", "1").replace("six", "6"));
    assert_eq!(rig.repository().find_commit(both.commit.parse().unwrap()).unwrap().tree_id().to_string(), both.tree);
    // The engine died before it wrote the answers down; another one asks with nothing in memory.
    let again = Queue::new(rig.pools.clone());
    assert_eq!(again.merge(rig.request("first", &first), Arc::new(NoGate)).await.unwrap(), merged);
    assert_eq!(again.merge(rig.request("second", &second), Arc::new(NoGate)).await.unwrap(), both);
    assert_eq!(rig.head(), both.commit);
    let base = again.merge(rig.request("base", &rig.base), Arc::new(NoGate)).await.unwrap();
    assert_eq!((base.commit, base.position), (rig.base.clone(), 0));
}

#[tokio::test]
async fn the_same_requests_make_the_same_commits() {
    let heads = [0, 1].map(|_| async {
        let rig = Rig::new(&[("a", POEM)]);
        for (task, from, to) in [("x", "one", "1"), ("y", "six", "6")] {
            let commit = rig.edit(task, "a", &POEM.replace(from, to));
            rig.merge(task, &commit).await.unwrap();
        }
        rig.head()
    });
    let [one, two] = heads;
    assert_eq!(one.await, two.await);
}

#[tokio::test]
async fn a_merge_commit_says_what_it_is() {
    let rig = Rig::new(&[("a", POEM)]);
    let commit = rig.edit("odd\nname", "a", "new\n");
    let mut request = rig.request("odd\nname", &commit);
    request.message = "why\n\nWfctl-Batch: 77\n".to_owned();
    request.conflict_of = Some("other".to_owned());
    let merged = rig.queue.merge(request, Arc::new(NoGate)).await.unwrap();
    let repository = rig.repository();
    let found = repository.find_commit(merged.commit.parse().unwrap()).unwrap();
    assert_eq!(
        found.message().unwrap(),
        "merge odd name\n\nwhy\n\nWfctl-Batch: 77\n\nWfctl-Project: p\nWfctl-Task: odd name\nWfctl-Resolves: other\nWfctl-Batch: 0\n"
    );
    assert_eq!(found.parent_ids().map(|id| id.to_string()).collect::<Vec<_>>(), [rig.base.clone(), commit.clone()]);
    assert_eq!(found.time().seconds(), 9);
    let again = Queue::new(rig.pools.clone());
    assert_eq!(again.merge(rig.request("odd\nname", &commit), Arc::new(NoGate)).await.unwrap(), merged);
}

/// Holds the lane with a first request, lets `others` queue up behind it, then lets it go.
async fn together(rig: &Rig, gate: &Arc<LookGate>, others: Vec<MergeRequest>) -> Vec<Result<Merged, MergeFault>> {
    let plug = rig.edit("plug", "plug", "plug\n");
    let mut request = rig.request("plug", &plug);
    request.gates = vec!["plug".to_owned()];
    let (queue, plug_gate) = (rig.queue.clone(), LookGate::new(1, |_, _| Some(true)));
    let held = plug_gate.clone();
    let plug = tokio::spawn(async move { queue.merge(request, held).await });
    plug_gate.begun.acquire().await.unwrap().forget();
    let mut asked = Vec::new();
    for request in others {
        let (queue, gate) = (rig.queue.clone(), gate.clone());
        asked.push(tokio::spawn(async move { queue.merge(request, gate).await }));
        // In this order: what comes first is merged first.
        while rig.queue.waiting() < asked.len() {
            tokio::task::yield_now().await;
        }
    }
    plug_gate.go.add_permits(1);
    plug.await.unwrap().unwrap();
    let mut answers = Vec::new();
    for asked in asked {
        answers.push(asked.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn what_waits_is_one_batch_and_its_gates_run_once() {
    let rig = Rig::new(&[("a", POEM)]);
    let gate = LookGate::new(0, |dir, _| Some((0..5).all(|number| dir.join(format!("f{number}")).is_file())));
    let commits: Vec<String> =
        (0..5).map(|number| rig.edit(&format!("t{number}"), &format!("f{number}"), "new\n")).collect();
    let requests = commits.iter().enumerate().map(|(number, commit)| {
        let mut request = rig.request(&format!("t{number}"), commit);
        request.gates = vec!["test".to_owned()];
        request
    });
    let answers = together(&rig, &gate, requests.clone().collect()).await;
    assert_eq!(gate.runs.load(Ordering::SeqCst), 1);
    let merged: Vec<&Merged> = answers.iter().map(|answer| answer.as_ref().unwrap()).collect();
    let mut positions: Vec<u64> = merged.iter().map(|merged| merged.position).collect();
    positions.sort_unstable();
    assert_eq!(positions, [2, 3, 4, 5, 6]);
    assert!(merged.iter().all(|merged| merged.batch == 5));
    let again = Queue::new(rig.pools.clone());
    for (request, merged) in requests.zip(merged) {
        assert_eq!(&again.merge(request, Arc::new(NoGate)).await.unwrap(), merged);
    }
}

#[tokio::test]
async fn a_poisoned_member_is_found_and_the_others_come_in() {
    for poisoned in 0..6 {
        let rig = Rig::new(&[("a", POEM)]);
        let gate = LookGate::new(0, |dir, _| Some(!dir.join("poison").exists()));
        let requests = (0..6).map(|number| {
            let file = if number == poisoned { "poison".to_owned() } else { format!("f{number}") };
            let task = format!("t{number}");
            let mut request = rig.request(&task, &rig.edit(&task, &file, "new\n"));
            request.gates = vec!["lint".to_owned(), "test".to_owned()];
            request
        });
        let answers = together(&rig, &gate, requests.collect()).await;
        for (number, answer) in answers.iter().enumerate() {
            match answer {
                Err(MergeFault::Red { gate, excerpt }) => {
                    assert_eq!((number, gate.as_str()), (poisoned, "lint"));
                    assert!(excerpt.starts_with("lint in run"), "{excerpt}");
                }
                Ok(_) => assert_ne!(number, poisoned),
                Err(other) => panic!("{number}: {other:?}"),
            }
        }
        let files = rig.files(&rig.head());
        assert_eq!(files.keys().filter(|name| name.starts_with('f')).count(), 5);
        assert!(!files.contains_key("poison"));
    }
}

#[tokio::test]
async fn who_conflicts_with_a_culprit_is_not_blamed() {
    let rig = Rig::new(&[("a", POEM)]);
    let gate = LookGate::new(0, |dir, _| Some(!std::fs::read_to_string(dir.join("a")).unwrap().contains("poison")));
    let requests = [("bad", "poison"), ("good", "fine")].map(|(task, word)| {
        let mut request = rig.request(task, &rig.edit(task, "a", &POEM.replace("three", word)));
        request.gates = vec!["test".to_owned()];
        request
    });
    let answers = together(&rig, &gate, requests.to_vec()).await;
    assert!(matches!(answers[0], Err(MergeFault::Red { .. })), "{answers:?}");
    assert!(answers[1].is_ok(), "{answers:?}");
}

#[tokio::test]
async fn a_gate_that_is_red_once_is_flaky_not_red() {
    let rig = Rig::new(&[("a", POEM)]);
    let gate = LookGate::new(0, |_, run| Some(run > 0));
    let mut request = rig.request("t", &rig.edit("t", "a", "new\n"));
    request.gates = vec!["test".to_owned()];
    let merged = rig.queue.merge(request, gate).await.unwrap();
    assert_eq!(merged.flaky, Some(Flaky { gate: "test".to_owned(), excerpt: "test in run 0".to_owned() }));
}

#[tokio::test]
async fn a_gate_that_breaks_merges_nothing_and_stops_nobody() {
    let rig = Rig::new(&[("a", POEM)]);
    let commit = rig.edit("t", "a", "new\n");
    let mut request = rig.request("t", &commit);
    request.gates = vec!["test".to_owned()];
    let fault = rig.queue.merge(request.clone(), LookGate::new(0, |_, _| None)).await.unwrap_err();
    assert!(matches!(&fault, MergeFault::Failed(failure) if failure.class == FailureClass::Internal), "{fault:?}");
    let fault = rig.queue.merge(request.clone(), Arc::new(NoGate)).await.unwrap_err();
    assert!(matches!(&fault, MergeFault::Failed(failure) if failure.message.contains("nobody asked")), "{fault:?}");
    assert!(rig.repository().find_branch("ai/generated/p/integration", git2::BranchType::Local).is_err());
    rig.queue.merge(request, LookGate::new(0, |_, _| Some(true))).await.unwrap();
}

#[tokio::test]
async fn who_withdraws_leaves_no_trace_and_holds_nobody_up() {
    let rig = Rig::new(&[("a", POEM)]);
    let gate = LookGate::new(1, |_, _| Some(true));
    let gone = rig.edit("gone", "gone", "new\n");
    let mut request = rig.request("gone", &gone);
    request.gates = vec!["test".to_owned()];
    let (queue, held) = (rig.queue.clone(), gate.clone());
    let asked = tokio::spawn(async move { queue.merge(request, held).await });
    gate.begun.acquire().await.unwrap().forget();
    asked.abort();
    assert!(asked.await.unwrap_err().is_cancelled());
    // The gate is never let go: it is stopped because nobody waits for it.
    let stays = rig.edit("stays", "stays", "new\n");
    rig.merge("stays", &stays).await.unwrap();
    assert!(!rig.contains(&gone));
    assert_eq!(rig.queue.waiting(), 0);
}

#[tokio::test]
async fn a_branch_that_somebody_else_moves_is_followed() {
    let rig = Rig::new(&[("a", POEM), ("b", "x\n")]);
    rig.merge("one", &rig.edit("one", "one", "1\n")).await.unwrap();
    let (dir, base) = (rig.dir(), rig.head());
    let foreign = rig.task("foreign", &[&base], &{
        let mut files = rig.files(&base);
        files.insert("foreign".to_owned(), "f\n".to_owned());
        files
    });
    let moved_to = foreign.clone();
    let gate = LookGate::new(0, move |_, run| {
        if run == 0 {
            let repository = git2::Repository::open(&dir).unwrap();
            let to = moved_to.parse().unwrap();
            repository.reference("refs/heads/ai/generated/p/integration", to, true, "outsider").unwrap();
        }
        Some(true)
    });
    let two = rig.edit("two", "two", "2\n");
    let mut request = rig.request("two", &two);
    request.gates = vec!["test".to_owned()];
    let merged = rig.queue.merge(request, gate.clone()).await.unwrap();
    assert_eq!((gate.runs.load(Ordering::SeqCst), merged.position), (2, 3));
    assert!(rig.contains(&foreign) && rig.contains(&two));
    assert_eq!(rig.files(&merged.commit).len(), 5);
    let adopted = rig.merge("foreign", &foreign).await.unwrap();
    assert_eq!((adopted.commit, adopted.position, adopted.batch), (foreign, 2, 1));
}

#[tokio::test]
async fn one_who_is_always_moved_gives_up() {
    let rig = Rig::new(&[("a", POEM)]);
    let files = rig.files(&rig.base);
    let others: Vec<String> = (0..2)
        .map(|number| {
            rig.task("other", &[&rig.base], &{
                let mut files = files.clone();
                files.insert(format!("o{number}"), String::new());
                files
            })
        })
        .collect();
    let dir = rig.dir();
    let gate = LookGate::new(0, move |_, run| {
        let repository = git2::Repository::open(&dir).unwrap();
        let to = others[run % 2].parse().unwrap();
        repository.reference("refs/heads/ai/generated/p/integration", to, true, "outsider").unwrap();
        Some(true)
    });
    let mut request = rig.request("t", &rig.edit("t", "a", "new\n"));
    request.gates = vec!["test".to_owned()];
    let fault = rig.queue.merge(request, gate.clone()).await.unwrap_err();
    assert!(
        matches!(&fault, MergeFault::Failed(failure) if failure.message.contains("moved by someone else")),
        "{fault:?}"
    );
    assert_eq!(gate.runs.load(Ordering::SeqCst), limits::MERGE_REBUILDS as usize);
}

#[tokio::test]
async fn bad_requests_are_told_so_and_others_go_on() {
    let rig = Rig::new(&[("a", POEM)]);
    for commit in ["", "zz", "1111111111111111111111111111111111111111"] {
        let fault = rig.merge("t", commit).await.unwrap_err();
        assert!(matches!(&fault, MergeFault::Failed(failure) if failure.class == FailureClass::Workspace), "{fault:?}");
    }
    let mut request = rig.request("t", &rig.base);
    request.base_commit = "nothing".to_owned();
    assert!(matches!(rig.queue.merge(request, Arc::new(NoGate)).await, Err(MergeFault::Failed(_))));
    let mut request = rig.request("t", &rig.base);
    request.base_dir = "/nowhere".into();
    assert!(matches!(rig.queue.merge(request, Arc::new(NoGate)).await, Err(MergeFault::Failed(_))));
    rig.merge("t", &rig.edit("t", "a", "new\n")).await.unwrap();
}

#[tokio::test]
async fn a_member_whose_files_are_gone_breaks_nobody_elses_merge() {
    let rig = Rig::new(&[("a", POEM)]);
    let broken = rig.edit("broken", "b", "new\n");
    let tree = rig.repository().find_commit(broken.parse().unwrap()).unwrap().tree_id().to_string();
    std::fs::remove_file(rig.dir().join(".git/objects").join(&tree[..2]).join(&tree[2..])).unwrap();
    let good = rig.edit("good", "g", "new\n");
    let requests = vec![rig.request("broken", &broken), rig.request("good", &good)];
    let answers = together(&rig, &LookGate::new(0, |_, _| Some(true)), requests).await;
    assert!(matches!(&answers[0], Err(MergeFault::Failed(_))), "{answers:?}");
    assert!(answers[1].is_ok(), "{answers:?}");
}

#[tokio::test]
async fn a_branch_in_the_way_is_named() {
    let rig = Rig::new(&[("a", POEM)]);
    let commit = rig.edit("t", "a", "new\n");
    let repository = rig.repository();
    repository.find_reference("refs/heads/ai/generated/p/t").unwrap().delete().unwrap();
    repository.reference("refs/heads/ai/generated/p", rig.base.parse().unwrap(), false, "").unwrap();
    let fault = rig.merge("t", &commit).await.unwrap_err();
    assert!(matches!(&fault, MergeFault::Failed(failure) if failure.message.contains("ai/generated/p")), "{fault:?}");
}

#[tokio::test]
async fn one_more_than_may_wait_is_refused() {
    let rig = Rig::new(&[("a", POEM)]);
    let gate = LookGate::new(1, |_, _| Some(true));
    let mut request = rig.request("plug", &rig.edit("plug", "plug", "new\n"));
    request.gates = vec!["test".to_owned()];
    let ask = |request: &MergeRequest| {
        let (queue, request, gate) = (rig.queue.clone(), request.clone(), gate.clone());
        tokio::spawn(async move { queue.merge(request, gate).await })
    };
    let plug = ask(&request);
    gate.begun.acquire().await.unwrap().forget();
    let waiting: Vec<_> = (0..limits::MERGE_WAITING).map(|_| ask(&request)).collect();
    while rig.queue.waiting() < limits::MERGE_WAITING {
        tokio::task::yield_now().await;
    }
    let fault = ask(&request).await.unwrap().unwrap_err();
    assert!(matches!(&fault, MergeFault::Failed(failure) if failure.message.contains("1024 tasks wait")), "{fault:?}");
    gate.go.add_permits(1);
    let merged = plug.await.unwrap().unwrap();
    for asked in waiting {
        assert_eq!(asked.await.unwrap().unwrap(), merged);
    }
    assert_eq!(gate.runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_task_with_more_commits_than_are_looked_at_comes_in_all_the_same() {
    let rig = Rig::new(&[("a", POEM), ("b", "x\n")]);
    let first = rig.edit("first", "b", "y\n");
    rig.merge("first", &first).await.unwrap();
    let repository = rig.repository();
    let mut tip = repository.find_commit(rig.edit("long", "a", "new\n").parse().unwrap()).unwrap();
    let author = tip.author().to_owned();
    for _ in 0..limits::MERGE_ANCESTRY {
        let next = repository.commit(None, &author, &author, "step", &tip.tree().unwrap(), &[&tip]).unwrap();
        tip = repository.find_commit(next).unwrap();
    }
    let long = tip.id().to_string();
    let merged = rig.merge("long", &long).await.unwrap();
    let files = rig.files(&merged.commit);
    assert_eq!((files["a"].as_str(), files["b"].as_str(), merged.position), ("new\n", "y\n", 2));
    assert_eq!(rig.merge("long", &long).await.unwrap(), merged);
    let again = Queue::new(rig.pools.clone());
    assert_eq!(again.merge(rig.request("long", &long), Arc::new(NoGate)).await.unwrap(), merged);
}

#[tokio::test]
async fn what_is_shown_of_a_conflict_is_bounded_and_a_file_finds_room_beside_a_folder() {
    let rig = Rig::new(&[("z", POEM)]);
    let side = |word: &str| {
        let mut files = rig.files(&rig.base);
        for number in 0..=limits::CONFLICT_PATHS {
            files.insert(format!("f{number:03}"), format!("{word}\n"));
        }
        files.insert("big".to_owned(), word.repeat(limits::CONFLICT_SIDE_BYTES + usize::from(word == "b")));
        files
    };
    let (mut ours, mut theirs) = (side("a"), side("b"));
    ours.insert("d".to_owned(), "a file\n".to_owned());
    theirs.insert("d/inside".to_owned(), "in a folder\n".to_owned());
    ours.insert("z".to_owned(), POEM.replace("one", "1"));
    let mut start = rig.base.clone();
    for _ in 0..=limits::CONFLICT_MESSAGES {
        start = rig.task(&format!("t{}", start.len()), &[&start], &theirs);
        theirs.insert("n".to_owned(), start.clone());
    }
    let (ours, theirs) = (rig.task("ours", &[&rig.base], &ours), start);
    let context = conflict_context(&rig.dir(), &ours, &theirs).unwrap();
    assert_eq!(context.paths.len(), limits::CONFLICT_PATHS);
    assert_eq!(context.more.len(), 3, "{:?}", context.more);
    let big = context.paths.iter().find(|path| path.path == "big").unwrap();
    let shown = [&big.ours, &big.theirs].map(|side| side.as_ref().map(|side| (side.text.len(), side.is_cut)).unwrap());
    assert_eq!(shown, [(limits::CONFLICT_SIDE_BYTES, false), (limits::CONFLICT_SIDE_BYTES, true)]);
    assert_eq!((context.our_messages.len(), context.their_messages.len()), (1, limits::CONFLICT_MESSAGES));
    let prepared = prepare_conflict(&rig.dir(), &ours, &theirs).unwrap();
    let files = rig.files(&rig.task("look", &[], &{
        let repository = rig.repository();
        let commit = super::super::repo::commit_tree(
            &repository,
            prepared.tree.parse().unwrap(),
            &[],
            "look",
            crate::domain::time::Millis(0),
        );
        rig.files(&commit.unwrap().to_string())
    }));
    assert_eq!((files["d/inside"].as_str(), files["d~conflict"].as_str()), ("in a folder\n", "a file\n"));
    assert_eq!(files["z"], POEM.replace("one", "1"));
}

#[tokio::test]
async fn a_batch_has_at_most_as_many_members_as_asked_for() {
    let rig = Rig::new(&[("a", POEM)]);
    let requests: Vec<MergeRequest> = (0..limits::MERGE_BATCH + 1)
        .map(|number| {
            let task = format!("t{number}");
            let mut request = rig.request(&task, &rig.edit(&task, &task, "new\n"));
            request.batch_max = u32::MAX;
            request
        })
        .collect();
    let answers = together(&rig, &LookGate::new(0, |_, _| Some(true)), requests).await;
    let sizes: Vec<u32> = answers.into_iter().map(|answer| answer.unwrap().batch).collect();
    assert_eq!(sizes.iter().filter(|size| **size == limits::MERGE_BATCH).count(), limits::MERGE_BATCH as usize);
    assert_eq!(sizes.iter().filter(|size| **size == 1).count(), 1);
}

#[tokio::test]
async fn a_conflict_is_described_prepared_resolved_and_both_commits_come_in() {
    let rig = Rig::new(&[("a", POEM), ("gone", "1\n2\n3\n"), ("b", "x\n")]);
    let mut ours = rig.files(&rig.base);
    ours.insert("a".to_owned(), POEM.replace("three", "drei"));
    ours.remove("gone");
    let mut theirs = rig.files(&rig.base);
    theirs.insert("a".to_owned(), POEM.replace("three", "trois"));
    theirs.insert("gone".to_owned(), "1\n2\nthree\n".to_owned());
    let (ours, theirs) = (rig.task("german", &[&rig.base], &ours), rig.task("french", &[&rig.base], &theirs));
    rig.merge("german", &ours).await.unwrap();
    let fault = rig.merge("french", &theirs).await.unwrap_err();
    let head = rig.head();
    let MergeFault::Conflict { paths, ours, theirs: their, base } = fault else { panic!("{fault:?}") };
    assert_eq!(
        (paths.as_slice(), &ours, &their, base.as_ref()),
        (["a", "gone"].map(str::to_owned).as_slice(), &head, &theirs, Some(&rig.base))
    );

    let context = conflict_context(&rig.dir(), &ours, &theirs).unwrap();
    assert_eq!(context.paths.iter().map(|path| path.path.as_str()).collect::<Vec<_>>(), ["a", "gone"]);
    let text = |side: &Option<crate::workspace::Side>| side.as_ref().map(|side| side.text.clone());
    assert_eq!(text(&context.paths[0].ours).unwrap(), POEM.replace("three", "drei"));
    assert_eq!(text(&context.paths[0].base).unwrap(), POEM);
    assert_eq!(text(&context.paths[1].ours), None);
    assert_eq!(
        (context.our_messages, context.their_messages),
        (vec!["german: done".to_owned()], vec!["french: done".to_owned()])
    );

    let prepared = prepare_conflict(&rig.dir(), &ours, &theirs).unwrap();
    assert_eq!(
        (prepared.paths.as_slice(), &prepared),
        (paths.as_slice(), &prepare_conflict(&rig.dir(), &ours, &theirs).unwrap())
    );
    let order = TaskCommit {
        tree: prepared.tree,
        parents: vec![ours.clone(), theirs.clone()],
        ..rig.task_order("merge french", &[], &rig.files(&rig.base))
    };
    let refused = commit_resolution(&order).unwrap_err().to_string();
    assert_eq!(refused, "conflict markers are left in: a");
    let marked = rig.task("look", &[&ours], &Default::default());
    assert!(!marked.is_empty());
    let repository = rig.repository();
    let tree = repository.find_tree(order.tree.parse().unwrap()).unwrap();
    let content = |name: &str| {
        String::from_utf8(repository.find_blob(tree.get_name(name).unwrap().id()).unwrap().content().to_vec()).unwrap()
    };
    assert_eq!(
        content("a"),
        "one\ntwo\n<<<<<<< integration\ndrei\n||||||| base\nthree\n=======\ntrois\n>>>>>>> task\nfour\nfive\nsix\n"
    );
    assert_eq!(content("gone"), "1\n2\nthree\n");

    // Somebody else comes in before the resolution does.
    rig.merge("other", &rig.edit("other", "b", "y\n")).await.unwrap();
    let mut resolved = rig.files(&ours);
    resolved.insert("a".to_owned(), POEM.replace("three", "drei / trois"));
    let order = TaskCommit { tree: super::rig::write(&repository, &resolved).to_string(), ..order };
    let resolution = commit_resolution(&order).unwrap();
    assert_eq!(commit_resolution(&order).unwrap(), resolution);
    let merged = rig.merge("merge french", &resolution).await.unwrap();
    assert!(rig.contains(&theirs));
    let files = rig.files(&merged.commit);
    assert_eq!((files["a"].as_str(), files["b"].as_str()), (POEM.replace("three", "drei / trois").as_str(), "y\n"));
    let adopted = rig.merge("french", &theirs).await.unwrap();
    assert_eq!(adopted.commit, merged.commit);
}

#[tokio::test]
async fn a_file_that_one_side_moved_is_changed_where_it_is_now() {
    let rig = Rig::new(&[("old/name", POEM), ("b", "x\n")]);
    let mut moved = rig.files(&rig.base);
    let content = moved.remove("old/name").unwrap();
    moved.insert("new/name".to_owned(), content);
    rig.merge("mover", &rig.task("mover", &[&rig.base], &moved)).await.unwrap();
    let merged = rig.merge("editor", &rig.edit("editor", "old/name", &POEM.replace("six", "6"))).await.unwrap();
    let files = rig.files(&merged.commit);
    assert_eq!(files.get("new/name"), Some(&POEM.replace("six", "6")));
    assert!(!files.contains_key("old/name"));
}

#[tokio::test]
async fn closing_keeps_what_is_not_merged() {
    let rig = Rig::new(&[("a", POEM)]);
    let merged = rig.edit("merged..name", "m", "new\n");
    rig.merge("merged..name", &merged).await.unwrap();
    rig.edit("unmerged", "u", "new\n");
    let out = rig.edit("looked-at", "l", "new\n");
    rig.merge("looked-at", &out).await.unwrap();
    std::fs::write(rig.dir().join(".git/HEAD"), "ref: refs/heads/ai/generated/p/looked-at\n").unwrap();
    for _ in 0..2 {
        rig.queue.closed(&project());
        rig.pools.close(&project(), &rig.dir()).unwrap();
    }
    let repository = rig.repository();
    let mut branches: Vec<String> = repository
        .references_glob("refs/heads/ai/**")
        .unwrap()
        .names()
        .map(|name| name.unwrap().rsplit('/').next().unwrap().to_owned())
        .collect();
    branches.sort_unstable();
    assert_eq!(branches, ["integration", "looked-at", "unmerged"]);
    assert_eq!(repository.references_glob("refs/wfctl/**").unwrap().count(), 0);
    assert_eq!(rig.merge("merged..name", &merged).await.unwrap().position, 1);
}

#[test]
fn a_task_that_commits_again_moves_its_branch_unless_somebody_looks_at_it() {
    let rig = Rig::new(&[("a", POEM)]);
    let branch =
        |name: &str| rig.repository().refname_to_id(&format!("refs/heads/ai/generated/p/{name}")).unwrap().to_string();
    let first = rig.edit("t", "a", "1\n");
    assert_eq!(rig.edit("t", "a", "1\n"), first);
    let second = rig.edit("t", "a", "2\n");
    assert_eq!(branch("t"), second);
    std::fs::write(rig.dir().join(".git/HEAD"), "ref: refs/heads/ai/generated/p/t\n").unwrap();
    let third = rig.edit("t", "a", "3\n");
    assert_eq!((branch("t"), branch("t%_2")), (second, third.clone()));
    let commit = rig.repository();
    let commit = commit.find_commit(third.parse().unwrap()).unwrap();
    assert_eq!(
        (commit.author().name().unwrap(), commit.committer().name().unwrap()),
        ("wfctl agent (developer)", "wfctl")
    );
}

/// Where a project has references of its own.
const NOTES: &str = "refs/wfctl/home/p/";

fn land_order(rig: &Rig, branch: &str, commit: &str) -> LandOrder {
    LandOrder {
        base_dir: rig.dir(),
        project: project(),
        branch: branch.to_owned(),
        commit: commit.to_owned(),
        message: "land".to_owned(),
        time: crate::domain::time::Millis(5000),
    }
}

#[tokio::test]
async fn a_branch_of_the_users_moves_only_when_nobody_works_on_it() {
    let rig = Rig::new(&[("a", POEM), ("b", "x\n")]);
    let merged = rig.merge("t", &rig.edit("t", "a", "new\n")).await.unwrap().commit;
    let repository = rig.repository();
    let current = repository.head().unwrap().shorthand().unwrap().to_owned();
    std::fs::write(rig.dir().join("b"), "not committed\n").unwrap();
    let before = (std::fs::read(rig.dir().join(".git/index")).unwrap(), std::fs::read(rig.dir().join("b")).unwrap());
    let landed = land(&land_order(&rig, &current, &merged), NOTES).unwrap();
    assert!(!landed.moved);
    assert_eq!(
        landed.why_not.unwrap(),
        format!("branch {current} is checked out; type: git merge --ff-only ai/generated/p/integration")
    );
    assert_eq!(repository.head().unwrap().target().unwrap().to_string(), rig.base);

    let base = repository.find_commit(rig.base.parse().unwrap()).unwrap();
    repository.branch("free", &base, false).unwrap();
    let landed = land(&land_order(&rig, "free", &merged), NOTES).unwrap();
    assert_eq!(
        (landed.moved, landed.from.as_deref(), landed.to.as_str()),
        (true, Some(rig.base.as_str()), merged.as_str())
    );
    assert_eq!(repository.refname_to_id("refs/heads/free").unwrap().to_string(), merged);
    assert!(land(&land_order(&rig, "free", &merged), NOTES).unwrap().moved);

    let gone_on = rig.edit("user", "b", "y\n");
    repository.reference("refs/heads/gone-on", gone_on.parse().unwrap(), false, "").unwrap();
    let landed = land(&land_order(&rig, "gone-on", &merged), NOTES).unwrap();
    assert!(landed.moved);
    assert_eq!(rig.files(&landed.to)["b"], "y\n");
    assert_eq!(land(&land_order(&rig, "gone-on", &merged), NOTES).unwrap(), landed);

    let clash = rig.edit("clash", "a", "other\n");
    repository.reference("refs/heads/clash", clash.parse().unwrap(), false, "").unwrap();
    let refused = land(&land_order(&rig, "clash", &merged), NOTES).unwrap();
    assert!(!refused.moved);
    assert_eq!(
        refused.why_not.unwrap(),
        "clash changed the same places: a; type: git merge ai/generated/p/integration"
    );
    assert_eq!(repository.refname_to_id("refs/heads/clash").unwrap().to_string(), clash);
    for bad in ["none", "..", "", "a b"] {
        assert!(land(&land_order(&rig, bad, &merged), NOTES).is_err(), "{bad}");
    }
    let after = (std::fs::read(rig.dir().join(".git/index")).unwrap(), std::fs::read(rig.dir().join("b")).unwrap());
    assert_eq!(before, after, "the user's checkout was touched");
}

#[tokio::test]
async fn a_landing_is_taken_back_unless_somebody_has_built_on_it() {
    let rig = Rig::new(&[("a", POEM), ("b", "x\n")]);
    let merged = rig.merge("t", &rig.edit("t", "a", "new\n")).await.unwrap().commit;
    let repository = rig.repository();
    let at = |branch: &str| repository.refname_to_id(&format!("refs/heads/{branch}")).unwrap().to_string();
    let gone_on = rig.edit("user", "b", "y\n");
    for (branch, start) in [("forward", &rig.base), ("beside", &gone_on)] {
        repository.reference(&format!("refs/heads/{branch}"), start.parse().unwrap(), false, "").unwrap();
        let order = land_order(&rig, branch, &merged);
        let landed = land(&order, NOTES).unwrap();
        // An engine that died behind the move: what it did is found, with where the branch was before.
        let found = land(&order, NOTES).unwrap();
        assert_eq!((&found, found.from.as_ref()), (&landed, Some(start)), "{branch}");
        let back = LandOrder { commit: landed.to.clone(), ..order };
        for _ in 0..2 {
            let taken = land_back(&back, landed.from.as_deref()).unwrap();
            assert_eq!((taken.moved, &taken.to, taken.why_not), (true, start, None), "{branch}");
            assert_eq!(&at(branch), start);
        }
        // It can land again.
        assert_eq!(rig.files(&land(&land_order(&rig, branch, &merged), NOTES).unwrap().to)["a"], "new\n");
    }
    let forward = LandOrder { commit: merged.clone(), ..land_order(&rig, "forward", &merged) };
    repository.reference("refs/heads/forward", gone_on.parse().unwrap(), true, "").unwrap();
    let refused = land_back(&forward, Some(&rig.base)).unwrap();
    let command = format!("git revert --no-edit -m 1 {merged}");
    assert_eq!(refused.why_not, Some(format!("branch forward has gone on since; type: {command}")));
    assert_eq!((refused.moved, at("forward")), (false, gone_on));
    repository.reference("refs/heads/forward", merged.parse().unwrap(), true, "").unwrap();
    let head = std::fs::read(rig.dir().join(".git/HEAD")).unwrap();
    std::fs::write(rig.dir().join(".git/HEAD"), "ref: refs/heads/forward\n").unwrap();
    let refused = land_back(&forward, Some(&rig.base)).unwrap();
    let command = format!("git reset --keep {}", rig.base);
    assert_eq!(refused.why_not, Some(format!("branch forward is checked out; type: {command}")));
    assert_eq!(at("forward"), merged);
    std::fs::write(rig.dir().join(".git/HEAD"), head).unwrap();
    let unknown = land_back(&forward, None).unwrap();
    assert_eq!((unknown.moved, at("forward")), (false, merged));
    assert!(land_back(&LandOrder { branch: "none".to_owned(), ..forward }, Some(&rig.base)).is_err());
}
