//! Requests from outside: starts, resumes, commands, outcomes.

use super::*;

impl<R> Core<R> {
    pub(super) fn request(&mut self, request: Request, reply_to: Option<R>) {
        let (slot, reply) = match request {
            // Whoever is told "started" must find it driven; an engine on its way out drives nothing.
            Request::Start { .. } | Request::Fork { .. } | Request::Resume { .. } if self.draining => {
                (None, Err(Error::Stopped("it is stopping".to_owned())))
            }
            Request::Start { start, actor } => match self.start(*start, actor) {
                Ok((slot, reply)) => (slot, Ok(reply)),
                Err(error) => (None, Err(error)),
            },
            Request::Fork { fork, actor } => match self.fork(&fork, actor) {
                Ok((slot, reply)) => (slot, Ok(reply)),
                Err(error) => (None, Err(error)),
            },
            Request::Resume { id, command, actor } => self.resume(&id, command, actor),
            Request::Command { id, command, actor } => self.command(&id, command, actor),
            Request::Outcome { id, task, attempt, step, outcome } => {
                if let Some(&slot) = self.by_id.get(&id) {
                    self.take(slot, Input::StepDone { task, attempt, step, outcome }, Actor::Engine);
                }
                return;
            }
            Request::Call { id, task, attempt, input } => self.call(&id, task, attempt, input),
            Request::Drives { id } => {
                let live = self.by_id.get(&id).and_then(|slot| self.slots[*slot as usize].as_ref());
                (None, Ok(Reply::Drives(live.is_some_and(|live| live.driven))))
            }
            Request::Disk { free_bytes, low } => {
                self.disk(free_bytes, low);
                return;
            }
        };
        if let Some(reply_to) = reply_to {
            self.turn.replies.push((reply_to, slot, reply));
        }
    }

    /// Only a walk that this engine runs may speak: a project that is not driven here has none.
    fn call(
        &mut self,
        id: &ProjectId,
        task: TaskIx,
        attempt: Attempt,
        input: CallInput,
    ) -> (Option<u32>, Result<Reply, Error>) {
        let driven = |slot: &u32| self.slots[*slot as usize].as_ref().is_some_and(|live| live.driven);
        let Some(slot) = self.by_id.get(id).copied().filter(driven) else {
            return (None, Err(Error::UnknownProject(id.clone())));
        };
        if self.draining && matches!(input, CallInput::Begin(_) | CallInput::Ask(..)) {
            return (None, Err(Error::Stopped("it is stopping".to_owned())));
        }
        let taken = self.take_into(slot, Input::Call { task, attempt, input }, Actor::Engine, &mut Decided::default());
        (Some(slot), taken.and_then(|taken| Ok(taken.map(|()| Reply::Taken(None))?)))
    }

    pub(super) fn disk(&mut self, free_bytes: u64, low: bool) {
        self.disk_low = low.then_some(free_bytes);
        let driven: Vec<u32> = (0..self.slots.len() as u32)
            .filter(|slot| self.slots[*slot as usize].as_ref().is_some_and(|live| live.driven))
            .collect();
        for slot in driven {
            let input = if low { Input::DiskLow { free_bytes } } else { Input::DiskOk };
            self.take(slot, input, Actor::Engine);
        }
    }

    pub(super) fn command(
        &mut self,
        id: &ProjectId,
        command: Command,
        actor: Actor,
    ) -> (Option<u32>, Result<Reply, Error>) {
        match self.slot_of(id) {
            Ok(slot) => {
                let reply = self.take_command(slot, command, actor);
                self.forget_terminal(slot);
                (Some(slot), reply)
            }
            Err(error) => (None, Err(error)),
        }
    }

    pub(super) fn take_command(&mut self, slot: u32, command: Command, actor: Actor) -> Result<Reply, Error> {
        let mut decided = Decided::default();
        let taken = self.take_into(slot, Input::Command(command), actor, &mut decided)?;
        taken?;
        Ok(Reply::Taken(decided.answer))
    }

    pub(super) fn resume(
        &mut self,
        id: &ProjectId,
        command: Command,
        actor: Actor,
    ) -> (Option<u32>, Result<Reply, Error>) {
        let slot = match self.slot_of(id) {
            Ok(slot) => slot,
            Err(error) => return (None, Err(error)),
        };
        let Some(live) = self.slots[slot as usize].as_mut() else {
            return (None, Err(Error::UnknownProject(id.clone())));
        };
        if live.project.status().is_terminal() {
            let status = live.project.status();
            let refusal =
                Refusal::new(RefusalKind::Terminal, format!("project {id} is {status}; there is nothing to resume"));
            self.forget_terminal(slot);
            return (None, Err(refusal.into()));
        }
        let poisoned = match self.drive(slot) {
            Ok(poisoned) => poisoned,
            Err(error) => return (None, Err(error)),
        };
        if poisoned {
            let message = format!("a step of {id} took the engine down too often; resume it again to try once more");
            return (Some(slot), Err(Refusal::new(RefusalKind::WrongState, message).into()));
        }
        let reply = self.take_command(slot, command, actor);
        if let Some(free_bytes) = self.disk_low {
            self.take(slot, Input::DiskLow { free_bytes }, Actor::Engine);
        }
        (Some(slot), reply)
    }

    /// From here on this engine runs the project's tasks. True when taking it over showed that one of them is poison:
    /// the project is held then, and whoever resumed it is asked to think again.
    pub(super) fn drive(&mut self, slot: u32) -> Result<bool, Error> {
        let poison = |core: &Self| {
            let live = core.slots[slot as usize].as_ref();
            live.is_some_and(|live| matches!(live.project.hold(), Some(HoldReason::Poison { .. })))
        };
        let before = poison(self);
        match self.slots[slot as usize].as_mut() {
            Some(live) if !live.driven => live.driven = true,
            Some(_) | None => return Ok(false),
        }
        self.driven_count += 1;
        let recovered = self.take_into(slot, Input::Recover, Actor::Engine, &mut Decided::default())?;
        debug_assert!(recovered.is_ok(), "a recovery is not refused");
        Ok(!before && poison(self))
    }

    pub(super) fn start(&mut self, start: Start, actor: Actor) -> Result<(Option<u32>, Reply), Error> {
        if let Some(free_bytes) = self.disk_low {
            return Err(Error::DiskLow { free_bytes });
        }
        check_start(&start)?;
        let vault = self.archive.vault().clone();
        let definition = start.definition.to_canonical_json();
        let inputs = serde_json::Value::Object(start.inputs).to_string().into_bytes();
        let kept = |what: &'static str| {
            move |error: crate::domain::payload::UnreadablePayload| Error::Vault { what, problem: error.problem }
        };
        let inputs = vault.keep(inputs).map_err(kept("the inputs"))?;
        let definition_ref = vault.keep_blob(&definition).map_err(kept("the definition"))?;
        if let Some(id) = &start.id
            && let Some(found) = self.find_started(id, &definition_ref, &inputs)?
        {
            return Ok((None, found));
        }
        let id = match start.id {
            Some(id) => id,
            None => self.fresh_id(&start.definition.name)?,
        };
        let created = Created {
            workflow: start.definition.name.clone(),
            definition: definition_ref,
            inputs,
            env: start.env,
            base_dir: start.base_dir,
            source: start.source,
            workspace: start.definition.workspace,
            base_commit: start.base_commit,
            seed: self.entropy.next(),
            parent: start.parent,
            depth: start.depth,
        };
        let definition = self.archive.remember(definition_ref.digest, &start.definition);
        let slot = self.create(id.clone(), created, definition, actor)?;
        Ok((Some(slot), Reply::Started { id, existed: false }))
    }

    /// A start with the id of a project that exists: the same one again, or somebody else's.
    pub(super) fn find_started(
        &mut self,
        id: &ProjectId,
        definition: &crate::domain::payload::BlobRef,
        inputs: &crate::domain::payload::Payload,
    ) -> Result<Option<Reply>, Error> {
        let created = match self.by_id.get(id).and_then(|slot| self.slots[*slot as usize].as_ref()) {
            Some(live) => live.project.created.clone(),
            None if self.archive.store().summary(id)?.is_none() => return Ok(None),
            None => self.load(id)?.project.created,
        };
        if created.definition != *definition {
            return Err(Error::IdTaken { id: id.clone(), what: "another definition".to_owned() });
        }
        if created.inputs != *inputs {
            return Err(Error::IdTaken { id: id.clone(), what: "the same workflow with other inputs".to_owned() });
        }
        Ok(Some(Reply::Started { id: id.clone(), existed: true }))
    }

    pub(super) fn fresh_id(&self, workflow: &str) -> Result<ProjectId, Error> {
        loop {
            let id = ProjectId::fresh(workflow, self.entropy.next());
            let taken = self.by_id.contains_key(&id) || self.archive.store().summary(&id)?.is_some();
            if !taken {
                return Ok(id);
            }
        }
    }

    pub(super) fn create(
        &mut self,
        id: ProjectId,
        created: Created,
        definition: Arc<Definition>,
        actor: Actor,
    ) -> Result<u32, Error> {
        let now = self.clock.now();
        let event = Event::Created(Box::new(created.clone()));
        let project = Project::create(id.clone(), created, definition, now, &**self.archive.vault())
            .map_err(|error| Error::Defect { id: id.clone(), problem: error.to_string() })?;
        let head = ChainHead::genesis(&id);
        let slot = self.insert(Live {
            project,
            head,
            pending: VecDeque::new(),
            driven: true,
            snapshot: 0,
            summarised: None,
            active: 0,
        });
        self.push_records(slot, [(actor, event)], now);
        let begun = self.take_into(slot, Input::Begin, Actor::Engine, &mut Decided::default())?;
        debug_assert!(begun.is_ok(), "a beginning is not refused");
        Ok(slot)
    }
}

/// What a definition from outside must hold, however it came here: a caller of the socket has not been through a file.
fn check_start(start: &Start) -> Result<(), Error> {
    let invalid = |problem: String| Error::Refused(Refusal::new(RefusalKind::Invalid, problem));
    let name = &start.definition.name;
    if ProjectId::new(&name.to_ascii_lowercase()).is_err() {
        return Err(invalid(format!("{name:?} is no name of a workflow")));
    }
    let env_bytes: usize = start.env.iter().map(|(name, value)| name.len() + value.len()).sum();
    if env_bytes > limits::CAPTURED_ENV_BYTES {
        return Err(invalid(format!("the captured environment has {env_bytes} bytes, too many to keep on record")));
    }
    let mut names = HashMap::new();
    for (at, (_, task)) in start.definition.tasks().enumerate() {
        if names.insert(task.name.as_str(), at as u32).is_some() {
            return Err(invalid(format!("two tasks are named {:?}", task.name)));
        }
    }
    if names.len() > limits::TASKS_PER_PROJECT {
        return Err(invalid(format!("{} tasks are more than a project can have", names.len())));
    }
    let mut edges = Vec::new();
    for (at, (_, task)) in start.definition.tasks().enumerate() {
        for need in &task.needs {
            match names.get(need.as_str()) {
                Some(from) => edges.push((*from, at as u32)),
                None => return Err(invalid(format!("task {:?} needs {need:?}, which is not there", task.name))),
            }
        }
    }
    match Graph::new(names.len(), &edges).topological_order() {
        Ok(_) => Ok(()),
        Err(_) => Err(invalid("its tasks need each other in a circle".to_owned())),
    }
}
