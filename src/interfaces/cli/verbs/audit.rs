//! `wfctl audit`: prove, export or pin a journal.

use super::super::args::{self, AuditWhat};
use super::super::context::{Context, find};
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::terminal::{Tone, harmless};
use crate::app::Need;
use crate::domain::ids::{Digest, ProjectId, Seq};
use crate::interfaces::api::{Home, Verified};

/// Does one of them.
pub async fn run(context: &Context, arguments: &args::Audit) -> Result<Exit, Error> {
    if context.app.is_untouched() {
        let named = match &arguments.what {
            AuditWhat::Verify { projects, .. } => projects.first(),
            AuditWhat::Export { project } | AuditWhat::Head { project } => Some(project),
        };
        named.map_or(Ok(()), |typed| context.must_have(typed))?;
        context.terminal.note("no projects to verify");
        return Ok(Exit::Done);
    }
    let session = context.app.open(Need::Read, "audit").await?;
    let home = session.home().clone();
    let done = match &arguments.what {
        AuditWhat::Verify { projects, head } => verify(context, &home, projects, head.as_deref()).await,
        AuditWhat::Export { project } => export(context, &home, project).await,
        AuditWhat::Head { project } => head(context, &home, project).await,
    };
    session.close().await;
    done
}

async fn verify(context: &Context, home: &Home, typed: &[String], head: Option<&str>) -> Result<Exit, Error> {
    let noted = head.map(noted).transpose()?;
    let mut ids = Vec::new();
    for project in typed {
        ids.push(find(home, project).await?.id);
    }
    if ids.is_empty() {
        ids = home.find("").await?.0.into_iter().map(|summary| summary.id).collect();
    }
    let mut worst = Ok(Exit::Done);
    for id in &ids {
        let verified = home.verify(id).await?;
        tell(context, &verified)?;
        if let Some((seq, problem)) = verified.first_bad {
            worst = Err(Error::NotVerified { project: id.clone(), seq: seq.0, problem });
        } else if let Some((seq, hash)) = &noted {
            is_part(home, id, *seq, hash).await?;
        }
    }
    if ids.is_empty() {
        context.terminal.note("no projects to verify");
    }
    worst
}

fn tell(context: &Context, verified: &Verified) -> Result<(), Error> {
    let terminal = &context.terminal;
    if context.is_json {
        return terminal.json(verified);
    }
    let (id, records) = (&verified.project, verified.records);
    let unknown = match verified.unknown {
        0 => String::new(),
        unknown => format!(", {unknown} of kinds that this release does not know"),
    };
    match &verified.first_bad {
        None => terminal.data(format!(
            "{id}: {}, {records} records{unknown}, head {}:{}",
            terminal.paint(Tone::Good, "verified"),
            verified.seq,
            verified.head
        )),
        Some((seq, problem)) => terminal.data(format!(
            "{id}: {} at record {seq}: {}; {records} records before it are proven",
            terminal.paint(Tone::Bad, "not verified"),
            harmless(problem)
        )),
    }
}

/// That a head noted earlier is still part of a journal that verifies: nothing before it was exchanged.
async fn is_part(home: &Home, id: &ProjectId, seq: Seq, hash: &Digest) -> Result<(), Error> {
    let records = home.records(id, Seq(seq.0.saturating_sub(1)), false).await?;
    let problem = match records.first().filter(|record| record.seq == seq) {
        Some(record) if record.hash == *hash => return Ok(()),
        Some(record) => format!("its hash is {}, the one noted is {hash}", record.hash),
        None => "it is not there".to_owned(),
    };
    Err(Error::NotVerified { project: id.clone(), seq: seq.0, problem })
}

fn noted(text: &str) -> Result<(Seq, Digest), Error> {
    let parsed = text.split_once(':').and_then(|(seq, hash)| Some((Seq(seq.parse().ok()?), Digest::from_hex(hash)?)));
    parsed.ok_or_else(|| Error::Usage {
        message: format!("`{text}` is not a head"),
        hint: "A head is what `wfctl audit head ID` prints: SEQ:HASH.".to_owned(),
    })
}

async fn export(context: &Context, home: &Home, typed: &str) -> Result<Exit, Error> {
    let id = find(home, typed).await?.id;
    let verified = home.verify(&id).await?;
    let mut from = Seq(0);
    loop {
        let records = home.records(&id, from, false).await?;
        let Some(last) = records.last() else { break };
        from = last.seq;
        for record in &records {
            context.terminal.json(record)?;
        }
    }
    match verified.first_bad {
        None => Ok(Exit::Done),
        Some((seq, problem)) => Err(Error::NotVerified { project: id, seq: seq.0, problem }),
    }
}

async fn head(context: &Context, home: &Home, typed: &str) -> Result<Exit, Error> {
    let id = find(home, typed).await?.id;
    let verified = home.verify(&id).await?;
    if let Some((seq, problem)) = verified.first_bad {
        return Err(Error::NotVerified { project: id, seq: seq.0, problem });
    }
    if context.is_json {
        context.terminal.json(&verified)?;
    } else {
        context.terminal.data(format!("{}:{}", verified.seq, verified.head))?;
    }
    Ok(Exit::Done)
}
