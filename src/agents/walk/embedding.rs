//! Vectors for what a call asks of memory: a call of its own before that one, reserved, charged and on record as those of models are.
//! What is on record decides whether there was one, so that a walk that is taken up again under another configuration finds its place.

use super::order::Limits;
use super::record::{Asked, Record, outcome};
use super::talk::afford;
use super::worksite::{Asks, Worksite};
use crate::agents::memory::Given;
use crate::domain::call::{CallKind, CallOutcome};
use crate::domain::chat::Usage;
use crate::domain::failure::Failure;
use crate::domain::ids::Digest;
use crate::domain::workflow::EffectClass;

/// Vectors, and what they used.
pub(super) struct Bought {
    /// `None`: nobody is paid for any, and memory does what it can by itself.
    pub(super) given: Option<Given>,
    pub(super) usage: Option<Usage>,
}

const NOTHING: Bought = Bought { given: None, usage: None };

/// Buys what the next call, whose input has the digest `of`, needs of memory, or reads it back. `used`: by the attempt so far.
pub(super) async fn bought(
    record: &mut Record<'_>,
    site: &dyn Worksite,
    asks: Asks<'_>,
    of: Digest,
    limits: Limits,
    used: Usage,
) -> Result<Bought, Failure> {
    let asked = |label: &str| Asked {
        kind: CallKind::Embed,
        label: label.to_owned(),
        input: of,
        shown: String::new(),
        effect: EffectClass::Paid,
    };
    match record.peek() {
        Some(known) if known.kind == CallKind::Embed && known.outcome.is_some() => {
            let slot = record.take(&asked(&known.label))?;
            let Some(outcome) = slot.known else { return Ok(NOTHING) };
            let given = match outcome.result {
                Ok(kept) => Ok(record.json(slot.ix, &kept)?),
                Err(failure) => Err(failure),
            };
            return Ok(Bought { given: Some(given), usage: outcome.usage });
        }
        // What comes next came without.
        Some(known) if known.kind != CallKind::Embed => return Ok(NOTHING),
        // One that was lost was charged, and may be bought again or done without.
        Some(_) | None => {}
    }
    let wanted = match site.wanted(asks).await {
        None => return Ok(NOTHING),
        Some(Err(failure)) => return Ok(Bought { given: Some(Err(failure)), usage: None }),
        Some(Ok(wanted)) => wanted,
    };
    if let Err(failure) = afford(limits, used, wanted.reserved) {
        return Ok(Bought { given: Some(Err(failure)), usage: None });
    }
    let asked = asked(&wanted.model);
    let slot = record.take(&asked)?;
    record.begin(&slot, &asked, wanted.reserved).await?;
    let started = record.calls().monotonic_ms();
    let came = site.embed(asks, &wanted).await;
    record.calls().alive();
    let duration_ms = record.calls().monotonic_ms().saturating_sub(started);
    let usage = came.usage;
    let result = match &came.vectors {
        Ok(vectors) => Ok(record.keep_json(vectors)?),
        Err(failure) => Err(failure.clone()),
    };
    record.end(&slot, CallOutcome { usage, ..outcome(result, duration_ms) }).await?;
    Ok(Bought { given: Some(came.vectors), usage })
}
