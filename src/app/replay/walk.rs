//! An agent's conversation, call by call: what its walk is about to put on record must be what is there. A walk that is given
//! leave goes on with what it saw itself; where that is not to the letter what is on record (a test took longer), it is taken up
//! again from the records, so that the model reads what it read.

use super::compare::Alike;
use super::course::{Course, Going, Playing, Stop, patience};
use super::ends;
use super::stage::{Heard, Live};
use crate::domain::call::{CallInput, CallIntent, CallKind, CallOutcome};
use crate::domain::effect::{StepOrder, StopCause};
use crate::domain::event::Event;
use crate::domain::ids::{CallIx, TaskIx};

impl Course<'_> {
    /// The next record says that a call began.
    pub async fn call_started(&mut self, task: TaskIx) -> Going {
        let Some(Playing::Live(mut live)) = self.playing.remove(&task) else { return self.take_over() };
        let heard = self.hear(&mut live, task).await;
        let (input, reply) = match heard {
            Ok(heard) => heard,
            Err(stop) => return self.give_up(*live, stop).await,
        };
        let going = match input {
            CallInput::Begin(intent) => {
                self.compare_intent(&live.order, &intent).and_then(|()| self.take_over()).map(|()| Alike::Same)
            }
            CallInput::Note(calls) => self.noted(&live.order, calls),
            CallInput::Ask(intent, question) => {
                let asked = self.compare_intent(&live.order, &intent).and_then(|()| self.asked(&live.order, &question));
                if let Err(stop) = asked {
                    return self.give_up(*live, stop).await;
                }
                // The walk is over; the records between here and the answer speak of the task, not of a step that runs.
                drop(reply);
                live.stop(StopCause::Shutdown).await;
                return Ok(());
            }
            CallInput::End(call, _) => {
                let came = format!("the end of call {call}");
                Err(self.differs_at(&live.order, Some(call), "another call comes", &self.in_words_here(), &came))
            }
        };
        match going {
            Ok(Alike::Same) => {
                // Whoever waits for it may have been stopped meanwhile.
                let _ = reply.send(Ok(()));
                self.playing.insert(task, Playing::Live(live));
                Ok(())
            }
            Ok(Alike::Varies | Alike::Differs) => {
                drop(reply);
                self.take_up_again(*live).await
            }
            Err(stop) => self.give_up(*live, stop).await,
        }
    }

    /// The next record says that a call ended.
    pub async fn call_finished(&mut self, task: TaskIx, call: CallIx) -> Going {
        let Some(Playing::Live(mut live)) = self.playing.remove(&task) else { return self.take_over() };
        let (input, reply) = match self.hear(&mut live, task).await {
            Ok(heard) => heard,
            Err(stop) => return self.give_up(*live, stop).await,
        };
        let CallInput::End(came, outcome) = input else {
            let (call, came) = ends::told(&input);
            let stop = self.differs_at(&live.order, call, "another call comes", &self.in_words_here(), &came);
            return self.give_up(*live, stop).await;
        };
        if came != call {
            let came = format!("the end of call {came}");
            let stop = self.differs_at(&live.order, Some(call), "another call ends", &self.in_words_here(), &came);
            return self.give_up(*live, stop).await;
        }
        match self.ended(&live.order, call, &outcome) {
            Ok(Alike::Same) => {
                let _ = reply.send(Ok(()));
                self.playing.insert(task, Playing::Live(live));
                Ok(())
            }
            Ok(Alike::Varies | Alike::Differs) => {
                drop(reply);
                self.take_up_again(*live).await
            }
            Err(stop) => self.give_up(*live, stop).await,
        }
    }

    async fn hear(
        &self,
        live: &mut Live,
        task: TaskIx,
    ) -> Result<(CallInput, tokio::sync::oneshot::Sender<Result<(), crate::engine::ports::CallDenied>>), Stop> {
        let took_ms = self.records[self.at..].iter().find_map(|record| match &record.event {
            Event::CallFinished { task: of, outcome, .. } if *of == task => Some(outcome.duration_ms),
            _ => None,
        });
        match live.next(patience(took_ms.unwrap_or(0))).await {
            Heard::Says(input, reply) => Ok((input, reply)),
            Heard::Ends(outcome) => {
                let came = ends::in_words(&outcome);
                let call = self.known_here().map(|known| known.ix);
                Err(self.differs_at(&live.order, call, "the agent ends where it went on", &self.in_words_here(), &came))
            }
            Heard::Silence => {
                let call = self.known_here().map(|known| known.ix);
                let came = "nothing, for ten times as long";
                Err(self.differs_at(&live.order, call, "the call does not end", &self.in_words_here(), came))
            }
        }
    }

    async fn give_up(&mut self, live: Live, stop: Stop) -> Going {
        live.stop(StopCause::Cancel).await;
        Err(stop)
    }

    /// Stops the walk, and begins it again with the calls that are on record by now.
    async fn take_up_again(&mut self, live: Live) -> Going {
        let mut order: Box<StepOrder> = live.order.clone();
        live.stop(StopCause::Shutdown).await;
        order.calls = self.project.task(order.task).calls().to_vec();
        let (task, leg) = (order.task, self.leg(&order)?);
        let live = self.stage.begin(order, Some(leg));
        self.playing.insert(task, Playing::Live(Box::new(live)));
        Ok(())
    }

    /// The call that the next record begins.
    fn known_here(&self) -> Option<&CallIntent> {
        match &self.records.get(self.at)?.event {
            Event::CallStarted { call, .. } => Some(call),
            _ => None,
        }
    }

    fn in_words_here(&self) -> String {
        match self.records.get(self.at).map(|record| &record.event) {
            Some(Event::CallStarted { call, .. }) => {
                format!("{} {} {} (input {})", call.kind, call.label, call.shown, call.input)
            }
            Some(Event::CallFinished { call, .. }) => format!("the end of call {call}"),
            Some(_) | None => "no call".to_owned(),
        }
    }

    fn compare_intent(&self, order: &StepOrder, came: &CallIntent) -> Going {
        let Some(recorded) = self.known_here() else {
            let (_, told) = ends::told(&CallInput::Begin(Box::new(came.clone())));
            return Err(self.differs_at(order, Some(came.ix), "one call more", "no call", &told));
        };
        let same = (recorded.ix, recorded.kind, &recorded.label, recorded.input)
            == (came.ix, came.kind, &came.label, came.input);
        // A label that is too long for a record was cut there.
        let same = same
            || (recorded.ix, recorded.kind, recorded.input) == (came.ix, came.kind, came.input)
                && cut(&recorded.label, &came.label);
        if same {
            return Ok(());
        }
        let (_, told) = ends::told(&CallInput::Begin(Box::new(came.clone())));
        let what = if (recorded.kind, &recorded.label) == (came.kind, &came.label) {
            "the same call asks something else"
        } else {
            "another call comes"
        };
        Err(self.differs_at(order, Some(recorded.ix), what, &self.in_words_here(), &told))
    }

    fn noted(&mut self, order: &StepOrder, calls: Vec<(CallIntent, CallOutcome)>) -> Result<Alike, Stop> {
        let mut all = Alike::Same;
        for (intent, outcome) in calls {
            self.compare_intent(order, &intent)?;
            self.take_over()?;
            if self.ended(order, intent.ix, &outcome)? != Alike::Same {
                all = Alike::Varies;
            }
        }
        Ok(all)
    }

    /// The outcome of a call against the next record, which is then passed.
    fn ended(&mut self, order: &StepOrder, call: CallIx, came: &CallOutcome) -> Result<Alike, Stop> {
        let recorded = match self.records.get(self.at).map(|record| &record.event) {
            Some(Event::CallFinished { call: of, outcome, .. }) if *of == call => (**outcome).clone(),
            Some(_) | None => {
                return Err(self.differs_at(order, Some(call), "a call ends", "no end", &in_words(came)));
            }
        };
        let kind = self.project.task(order.task).calls().get(call.0 as usize).map(|known| known.kind);
        let alike = self.compare_outcome(order, call, kind, &recorded, came)?;
        self.take_over()?;
        self.count(kind.unwrap_or(CallKind::Tool), alike);
        Ok(alike)
    }

    fn compare_outcome(
        &self,
        order: &StepOrder,
        call: CallIx,
        kind: Option<CallKind>,
        recorded: &CallOutcome,
        came: &CallOutcome,
    ) -> Result<Alike, Stop> {
        let named = kind.map_or("call", CallKind::name);
        let differs = |what: String, one: &str, other: &str| Err(self.differs_at(order, Some(call), &what, one, other));
        let alike = match (&recorded.result, &came.result) {
            (Ok(one), Ok(other)) => {
                let (alike, (one, other)) = self.payloads(one, other)?;
                let may_vary = matches!(kind, Some(CallKind::Tool | CallKind::Check));
                // What was cut for the model names the whole by its digest.
                let by_name = may_vary && self.whole_is_alike(recorded, came)?;
                match alike {
                    Alike::Same => Alike::Same,
                    Alike::Varies if may_vary => Alike::Varies,
                    Alike::Differs if by_name => Alike::Varies,
                    Alike::Varies | Alike::Differs => {
                        return differs(format!("the {named} says something else"), &one, &other);
                    }
                }
            }
            (Err(one), Err(other)) if one.class == other.class => {
                self.places.alike(one.message.as_bytes(), other.message.as_bytes())
            }
            _ => return differs(format!("the {named} ends otherwise"), &in_words(recorded), &in_words(came)),
        };
        if alike == Alike::Differs {
            return differs(format!("the {named} fails otherwise"), &in_words(recorded), &in_words(came));
        }
        if recorded.tree != came.tree {
            let tree = |outcome: &CallOutcome| outcome.tree.clone().unwrap_or_else(|| "none".to_owned());
            return differs(format!("the files after the {named} differ"), &tree(recorded), &tree(came));
        }
        Ok(alike)
    }

    fn whole_is_alike(&self, recorded: &CallOutcome, came: &CallOutcome) -> Result<bool, Stop> {
        match (&recorded.full, &came.full) {
            (Some(one), Some(other)) => Ok(self.payloads(one, other)?.0 != Alike::Differs),
            (Some(_) | None, _) => Ok(false),
        }
    }

    /// A question to a person: its call, the end of the walk, the wait.
    fn asked(&mut self, order: &StepOrder, question: &str) -> Going {
        self.take_over()?;
        let recorded = self.records[self.at..].iter().find_map(|record| match &record.event {
            Event::TaskAwaits { task, what: crate::domain::event::Await::Approval { ask }, .. }
                if *task == order.task =>
            {
                Some(ask)
            }
            _ => None,
        });
        let recorded = recorded.map(String::as_str).unwrap_or_default();
        if recorded != question && !cut(recorded, question) {
            return Err(self.differs_at(order, None, "something else is asked", recorded, question));
        }
        Ok(())
    }
}

/// Whether `recorded` is `whole`, cut for a record.
fn cut(recorded: &str, whole: &str) -> bool {
    recorded.strip_suffix('…').is_some_and(|begin| whole.starts_with(begin))
}

fn in_words(outcome: &CallOutcome) -> String {
    match &outcome.result {
        Ok(_) => "it ended well".to_owned(),
        Err(failure) => format!("it failed: {failure}"),
    }
}
