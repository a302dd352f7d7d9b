//! Many agents at once against one cap, through the engine as it is shipped: its threads, its loop, its commits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use tokio::sync::mpsc;
use wfctl::domain::budget::Caps;
use wfctl::domain::call::CallInput;
use wfctl::domain::effect::StepOrder;
use wfctl::domain::event::{Event, StepOutcome};
use wfctl::domain::failure::FailureClass;
use wfctl::domain::ids::{CallIx, ProjectId, Seq};
use wfctl::domain::project::Command;
use wfctl::domain::retry::split_mix;
use wfctl::domain::view::RecordView;
use wfctl::domain::workflow::Definition;
use wfctl::engine::archive::Archive;
use wfctl::engine::clock::SystemClock;
use wfctl::engine::core::Start;
use wfctl::engine::entropy::SystemEntropy;
use wfctl::engine::handle::{Engine, Parts};
use wfctl::engine::ports::{CallDenied, StepControl, StepRunner};
use wfctl::journal::memory_store::MemoryStore;
use wfctl::journal::store::Store as _;

use super::support::check::{Model, Taken};
use super::support::flows::*;
use super::support::rig::{MemoryVault, person};

const CALLERS: usize = 64;
const CALLS: u32 = 5;
const CAP: u64 = 300;

/// Begins calls with reservations of all sizes, ends each with at most that.
struct Walker {
    denied: mpsc::UnboundedSender<bool>,
    /// The most that was ever on its way at once.
    open: AtomicU64,
    most: AtomicU64,
}

#[async_trait]
impl StepRunner for Walker {
    async fn run(&self, order: StepOrder, control: StepControl) -> StepOutcome {
        for ix in 0..CALLS {
            if order.calls.get(ix as usize).is_some_and(|known| known.outcome.is_some()) {
                continue;
            }
            let random = split_mix(u64::from(order.task.0) << 32 | u64::from(ix));
            let wanted = 1 + random % 60;
            if let Err(why) = control.calls().put(CallInput::Begin(Box::new(model(ix, wanted)))).await {
                if why == CallDenied::Budget {
                    let _ = self.denied.send(false);
                }
                return bad(FailureClass::Interrupted);
            }
            self.most.fetch_max(self.open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            self.open.fetch_sub(1, Ordering::SeqCst);
            let used = (random >> 20) % (wanted + 1);
            if control.calls().put(CallInput::End(CallIx(ix), Box::new(answered(used)))).await.is_err() {
                return bad(FailureClass::Interrupted);
            }
        }
        good()
    }
}

fn capped() -> Definition {
    let mut definition = flow((0..CALLERS).map(|n| agent(&format!("a{n}"), &[])).collect());
    definition.budget.tokens = Some(CAP);
    definition
}

/// Runs a project to its end, raising its cap a little whenever it is held. Gives its records and how many calls were open at once.
async fn race(definition: &Arc<Definition>) -> (Vec<RecordView>, Arc<MemoryVault>, u64) {
    let (store, vault) = (MemoryStore::new(), Arc::new(MemoryVault::default()));
    let epoch = store.take_over().unwrap();
    let archive = Archive::new(Arc::new(store), vault.clone(), None);
    let (denied, mut heard) = mpsc::unbounded_channel();
    let walker = Arc::new(Walker { denied: denied.clone(), open: AtomicU64::new(0), most: AtomicU64::new(0) });
    let engine = Engine::start(Parts {
        archive: archive.clone(),
        epoch,
        runner: walker.clone(),
        clock: Arc::new(SystemClock::default()),
        entropy: Arc::new(SystemEntropy),
        disk: None,
        workers: CALLERS,
        closed: Box::new(move |_| denied.send(true).expect("the test listens")),
    })
    .unwrap();
    let id = ProjectId::new("race").unwrap();
    let start = Start {
        id: Some(id.clone()),
        definition: definition.clone(),
        inputs: Default::default(),
        env: Vec::new(),
        base_dir: "/".to_owned(),
        source: None,
        base_commit: None,
        parent: None,
        depth: 0,
    };
    engine.handle().start(start, person()).await.unwrap();
    let mut cap = CAP;
    while let Some(false) = heard.recv().await {
        cap += CAP;
        let budget = Some(Caps { tokens: Some(cap), ..Caps::default() });
        let command = Command::Resume { in_doubt: None, budget, comment: String::new() };
        engine.handle().command(id.clone(), command, person()).await.unwrap();
    }
    assert_eq!(engine.shutdown().await, None);
    let records = archive.records(&id, Seq(0), usize::MAX).unwrap();
    let most = walker.most.load(Ordering::SeqCst);
    (records, vault, most)
}

fn judge(records: &[RecordView], definition: &Arc<Definition>, vault: &MemoryVault) -> Result<(), String> {
    let (mut model, mut taken) = (Model::new(&records[0], definition)?, Taken::default());
    records[1..].iter().try_for_each(|record| model.see(record, vault, &mut taken))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_callers_never_pass_a_cap() {
    let definition = Arc::new(capped());
    let (records, vault, most) = race(&definition).await;
    assert!(most > 1, "nobody raced");
    assert_eq!(judge(&records, &definition, &vault), Ok(()));
    let count = |wanted: fn(&Event) -> bool| records.iter().filter(|record| wanted(&record.event)).count();
    assert!(count(|event| matches!(event, Event::Held { .. })) > 1);
    assert!(matches!(records.last().map(|last| &last.event), Some(Event::Closed { .. })));
    assert_eq!(count(|event| matches!(event, Event::CallFinished { .. })), CALLERS * CALLS as usize);
    // An engine that looked at what is spent and not at what is reserved would have written this.
    let mut careless: Vec<RecordView> =
        records.into_iter().filter(|record| !matches!(record.event, Event::BudgetRaised { .. })).collect();
    for (n, record) in careless.iter_mut().enumerate() {
        record.seq = Seq(n as u64 + 1);
    }
    let problem = judge(&careless, &definition, &vault).unwrap_err();
    assert!(problem.contains("is more than"), "{problem}");
}
