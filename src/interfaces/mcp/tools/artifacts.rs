//! `artifacts`: what agents kept, and what is in it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Effect, Tool};
use crate::app::Need;
use crate::domain::ids::ProjectId;
use crate::domain::payload::Payload;
use crate::interfaces::api::{Artifact, Content, Fault, FaultKind};
use crate::interfaces::mcp::desk::Room;
use crate::interfaces::mcp::page;
use crate::interfaces::mcp::refusal::Trouble;
use crate::interfaces::mcp::uri::Place;

/// The arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Artifacts {
    /// The project's id, or any unique beginning of it.
    pub project: String,
    /// The artifact to read; all of them are listed if absent.
    pub name: Option<String>,
    /// Only of this task; needed when several tasks have an artifact of that name.
    pub task: Option<String>,
    /// The first byte of the artifact wanted; the first of all if absent.
    pub offset: Option<u64>,
    /// Most bytes of the artifact in the answer: up to 65536, 16384 if absent.
    pub bytes: Option<u32>,
    /// Most artifacts in a list: 1 to 500, 50 if absent.
    pub limit: Option<u16>,
    /// `next` of the list before.
    pub cursor: Option<usize>,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Kept {
    /// The project's id.
    project: String,
    /// The artifacts: those listed, or the one that was read.
    artifacts: Vec<Line>,
    /// Pass it as `cursor` for more of the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<usize>,
    /// What is in the one that was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Piece>,
}

/// One artifact.
#[derive(Debug, Serialize, JsonSchema)]
struct Line {
    /// The task whose agent kept it.
    task: String,
    /// Its name.
    name: String,
    /// Its length in bytes.
    bytes: u64,
    /// BLAKE3 of its content.
    digest: String,
    /// The resource that it can be read as.
    uri: String,
}

/// A piece of an artifact.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
struct Piece {
    /// The piece as text; absent when it is no UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// The piece as base64, when it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    /// Where it begins.
    offset: u64,
    /// Pass it as `offset` for the next piece; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

impl Tool for Artifacts {
    const NAME: &'static str = "artifacts";
    const TITLE: &'static str = "Artifacts";
    const ABOUT: &'static str = "Lists what the agents of a project kept (plans, designs, reports, reviews), or reads one of them piece by \
                                 piece.";
    const EFFECT: Effect = Effect::Looks;
    const NEED: Need = Need::Read;
    type Answer = Kept;

    async fn run(self, room: Room) -> Result<Kept, Trouble> {
        let id = room.project(&self.project).await?.id;
        let Some(name) = &self.name else { return self.list(&room, &id).await };
        let Content { artifact, content } = room.home.artifact(&id, self.task.clone(), name).await?;
        let Payload::Inline(bytes) = content else {
            return Err(Fault::new(FaultKind::Defect, "an artifact came without its content").into());
        };
        let content = Some(piece(&bytes, self.offset.unwrap_or_default(), page::text_bytes(self.bytes)));
        Ok(Kept { project: id.to_string(), artifacts: vec![line(&id, &artifact)], next: None, content })
    }
}

impl Artifacts {
    async fn list(&self, room: &Room, id: &ProjectId) -> Result<Kept, Trouble> {
        let all = room.home.artifacts(id, self.task.clone()).await?;
        let from = self.cursor.unwrap_or_default().min(all.len());
        let (artifacts, more) =
            page::fill(all[from..].iter().map(|artifact| line(id, artifact)), page::items(self.limit));
        let next = more.then_some(from + artifacts.len());
        Ok(Kept { project: id.to_string(), artifacts, next, content: None })
    }
}

fn line(id: &ProjectId, artifact: &Artifact) -> Line {
    let Artifact { task, name, bytes, digest } = artifact.clone();
    let uri = Place::Artifact { project: id.clone(), task: task.clone(), name: name.clone() }.to_string();
    Line { task, name, bytes, digest: digest.to_hex(), uri }
}

/// A piece that ends between characters, if it is text.
fn piece(bytes: &[u8], offset: u64, most: usize) -> Piece {
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    let mut end = start.saturating_add(most).min(bytes.len());
    let is_text = match std::str::from_utf8(&bytes[start..end]) {
        Ok(_) => true,
        // A character that is cut at the end is left for the next piece.
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 && end < bytes.len() => {
            end = start + error.valid_up_to();
            true
        }
        Err(_) => false,
    };
    let text = is_text.then(|| String::from_utf8_lossy(&bytes[start..end]).into_owned());
    let base64 = (!is_text).then(|| BASE64_STANDARD.encode(&bytes[start..end]));
    Piece { text, base64, offset: start as u64, next: (end < bytes.len()).then_some(end as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_end_between_characters_and_put_together_are_the_whole() {
        let whole = "aüb€c".repeat(3);
        for most in 4..12 {
            let (mut text, mut from) = (String::new(), Some(0));
            while let Some(offset) = from {
                let piece = piece(whole.as_bytes(), offset, most);
                text.push_str(&piece.text.expect("it is text"));
                from = piece.next;
            }
            assert_eq!(text, whole, "{most}");
        }
    }

    #[test]
    fn what_is_no_text_comes_as_base64() {
        let got = piece(&[0xff, 0xfe, 1, 2], 0, 3);
        assert_eq!((got.text, got.base64.as_deref(), got.next), (None, Some("//4B"), Some(3)));
        assert_eq!(piece(b"abc", 9, 4), Piece { text: Some(String::new()), base64: None, offset: 3, next: None });
    }
}
