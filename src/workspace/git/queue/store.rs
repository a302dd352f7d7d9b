//! The repository's side of a lane: merges of a batch in the object store, and the move of the branch. Blocking.

use std::path::Path;

use git2::{Oid, Repository};

use super::super::error::Error;
use super::super::repo::{commit_named, commit_tree, move_ref, open, target_of};
use super::super::threeway::{self, Merge};
use super::super::{branches, checkpoint};
use super::line::Line;
use super::request::{MergeFault, MergeRequest, Merged};

/// Says at which position of the branch a merge's batch began; all members of a batch have the same.
const BATCH: &str = "Wfctl-Batch: ";

/// An open repository and what its integration branch contains. Kept between batches: opening costs more than a merge.
pub(super) struct Store {
    repository: Repository,
    branch: String,
    base: Oid,
    line: Line,
}

/// One member of a batch, merged on top of those before.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// Which of the requests.
    pub member: usize,
    /// Its merge commit.
    pub commit: Oid,
    /// The files with it.
    pub tree: Oid,
    /// Commits that come in with it.
    brought: Vec<Oid>,
    /// Objects that have to be durable before the branch has it.
    objects: Vec<Oid>,
}

/// What became of a batch in the object store; nothing is moved yet. Members that are neither steps nor answered have to be
/// planned again after the steps.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Where the branch was; `None`: there was none.
    from: Option<Oid>,
    /// The members that merge, in order.
    pub steps: Vec<Step>,
    /// The members whose answer is known already.
    pub answers: Vec<(usize, Result<Merged, MergeFault>)>,
}

/// A merge of one member, tried.
enum Tried {
    Merged(Step),
    Conflict { paths: Vec<String>, base: Option<Oid> },
}

impl Store {
    /// Opens the repository of a request.
    pub fn open(request: &MergeRequest) -> Result<Self, Error> {
        let repository = open(Path::new(&request.base_dir))?;
        let base = commit_named(&repository, &request.base_commit)?;
        Ok(Self { repository, branch: branches::integration(&request.project), base, line: Line::new(base) })
    }

    /// Reads where the branch is now.
    fn refresh(&mut self) -> Result<Option<Oid>, Error> {
        let target = target_of(&self.repository, &self.branch)?;
        self.line.follow(&self.repository, target.unwrap_or(self.base))?;
        Ok(target)
    }

    /// The answer for a commit that is in the branch.
    pub fn adopted(&mut self, commit: &str) -> Result<Option<Merged>, Error> {
        self.refresh()?;
        let commit = commit_named(&self.repository, commit)?;
        self.find(commit)?.map(|position| self.answer(position)).transpose()
    }

    /// The position at which the commit came in; that of the base for what lies before it.
    fn find(&self, commit: Oid) -> Result<Option<usize>, Error> {
        if let Some(position) = self.line.position(commit) {
            return Ok(Some(position));
        }
        let leads_elsewhere = self.line.ancestry(&self.repository, commit)?.is_partial;
        let is_older = leads_elsewhere && self.repository.graph_descendant_of(self.line.head(), commit)?;
        Ok(is_older.then_some(0))
    }

    fn answer(&self, position: usize) -> Result<Merged, Error> {
        let id = self.line.at(position).unwrap_or(self.base);
        let commit = self.repository.find_commit(id)?;
        let batch = match self.batch_of(position)? {
            None => 1,
            Some(start) => {
                let mut size = 0;
                while self.batch_of(start + 1 + size)? == Some(start) {
                    size += 1;
                }
                size.max(1)
            }
        };
        Ok(Merged {
            commit: id.to_string(),
            tree: commit.tree_id().to_string(),
            position: position as u64,
            batch: u32::try_from(batch).unwrap_or(u32::MAX),
            flaky: None,
        })
    }

    /// Where the batch of the commit at `position` began, as its message says.
    fn batch_of(&self, position: usize) -> Result<Option<usize>, Error> {
        let Some(id) = self.line.at(position) else { return Ok(None) };
        let commit = self.repository.find_commit(id)?;
        let message = String::from_utf8_lossy(commit.message_bytes());
        let trailer = message.lines().rev().find_map(|line| line.strip_prefix(BATCH));
        Ok(trailer.and_then(|start| start.parse().ok()).filter(|start| *start < position))
    }

    /// Merges what can be merged of `requests`, in order, on top of the branch as it is now.
    pub fn plan(&mut self, requests: &[MergeRequest]) -> Result<Plan, Error> {
        let mut plan = Plan { from: self.refresh()?, ..Plan::default() };
        let length = self.line.len();
        self.plan_all(&mut plan, requests, length);
        // What is only planned is not in the branch.
        self.line.truncate(length);
        Ok(plan)
    }

    fn plan_all(&mut self, plan: &mut Plan, requests: &[MergeRequest], length: usize) {
        let start = self.line.head();
        for (member, request) in requests.iter().enumerate() {
            // A member that breaks is told so; the others are none of its business.
            if let Err(error) = self.plan_one(plan, member, request, (start, length)) {
                plan.answers.push((member, Err(error.into())));
            }
        }
    }

    /// One more member. The branch is at `start`, the last of `length` commits; what is planned comes behind them.
    fn plan_one(
        &mut self,
        plan: &mut Plan,
        member: usize,
        request: &MergeRequest,
        (start, length): (Oid, usize),
    ) -> Result<(), Error> {
        let theirs = commit_named(&self.repository, &request.commit)?;
        match self.find(theirs)? {
            Some(position) if position < length => plan.answers.push((member, Ok(self.answer(position)?))),
            // It comes in with another member, and is answered for in the next round.
            Some(_) => {}
            None => match self.try_on(self.line.head(), member, request, theirs, length)? {
                Tried::Merged(step) => {
                    self.line.push(step.commit, step.brought.clone());
                    plan.steps.push(step);
                }
                Tried::Conflict { paths, base } => {
                    let alone = match plan.steps.is_empty() {
                        true => Some(paths),
                        false => self.conflict_with(start, theirs)?,
                    };
                    // With a member before it alone: it is tried again when that one is in the branch, or is known not to be.
                    let Some(paths) = alone else { return Ok(()) };
                    let fault = MergeFault::Conflict {
                        paths,
                        ours: start.to_string(),
                        theirs: theirs.to_string(),
                        base: base.map(|id| id.to_string()),
                    };
                    plan.answers.push((member, Err(fault)));
                }
            },
        }
        Ok(())
    }

    fn conflict_with(&self, ours: Oid, theirs: Oid) -> Result<Option<Vec<String>>, Error> {
        match threeway::commits(&self.repository, ours, theirs)? {
            Merge::Clean(_) => Ok(None),
            Merge::Conflict(paths) => Ok(Some(paths)),
        }
    }

    fn try_on(
        &self,
        ours: Oid,
        member: usize,
        request: &MergeRequest,
        theirs: Oid,
        length: usize,
    ) -> Result<Tried, Error> {
        let ancestry = self.line.ancestry(&self.repository, theirs)?;
        let base = match self.line.only_base(&ancestry) {
            None => threeway::only_base(&self.repository, ours, theirs)?,
            found => found,
        };
        let tree_of = |id: Oid| Ok::<_, Error>(self.repository.find_commit(id)?.tree_id());
        let (our_tree, their_tree) = (tree_of(ours)?, tree_of(theirs)?);
        let merge = match base {
            Some(base) => threeway::trees(&self.repository, tree_of(base)?, our_tree, their_tree)?,
            None => threeway::commits(&self.repository, ours, theirs)?,
        };
        let tree = match merge {
            Merge::Clean(tree) => tree,
            Merge::Conflict(paths) => return Ok(Tried::Conflict { paths, base }),
        };
        let message = message(request, length - 1);
        let commit = commit_tree(&self.repository, tree, &[ours, theirs], &message, request.time)?;
        let mut objects = threeway::added(&self.repository, tree, &[our_tree, their_tree])?;
        objects.push(commit);
        Ok(Tried::Merged(Step { member, commit, tree, brought: ancestry.new, objects }))
    }

    /// Makes the first `count` steps durable and moves the branch there; their answers in order, or `None` when somebody else
    /// has moved it since it was planned.
    pub fn advance(&mut self, plan: &Plan, count: usize) -> Result<Option<Vec<Merged>>, Error> {
        let steps = &plan.steps[..count];
        let Some(last) = steps.last() else { return Ok(Some(Vec::new())) };
        let objects: Vec<Oid> = steps.iter().flat_map(|step| step.objects.iter().copied()).collect();
        checkpoint::sync_objects(&self.repository, &objects)?;
        if !move_ref(&self.repository, &self.branch, plan.from, last.commit)? {
            return Ok(None);
        }
        let first = self.line.len();
        for step in steps {
            self.line.push(step.commit, step.brought.clone());
        }
        let batch = u32::try_from(count).unwrap_or(u32::MAX);
        let merged = steps.iter().enumerate().map(|(at, step)| Merged {
            commit: step.commit.to_string(),
            tree: step.tree.to_string(),
            position: (first + at) as u64,
            batch,
            flaky: None,
        });
        Ok(Some(merged.collect()))
    }
}

/// The message of a merge commit, with what the queue has to find again in trailers.
fn message(request: &MergeRequest, start: usize) -> String {
    let line = |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    let task = line(&request.task);
    let mut message = format!("merge {task}\n\n");
    if !request.message.trim().is_empty() {
        message.push_str(request.message.trim());
        message.push_str("\n\n");
    }
    message.push_str(&format!("Wfctl-Project: {}\nWfctl-Task: {task}\n", request.project));
    if let Some(resolved) = &request.conflict_of {
        message.push_str(&format!("Wfctl-Resolves: {}\n", line(resolved)));
    }
    message.push_str(&format!("{BATCH}{start}\n"));
    message
}
