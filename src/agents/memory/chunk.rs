//! A chunk of knowledge and what is known of it.

use serde::{Deserialize, Serialize};

use crate::domain::ids::Digest;
use crate::domain::limits;
use crate::domain::time::Millis;

/// What a chunk is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Documentation of an interface.
    ApiDoc,
    /// Source code.
    Code,
    /// What a task was about, or how it went.
    Task,
    /// A test and what it shows.
    Test,
    /// An error, and what helped.
    Error,
}

impl Kind {
    /// All of them, in the order in which people are told.
    pub const ALL: [Self; 5] = [Self::ApiDoc, Self::Code, Self::Task, Self::Test, Self::Error];

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ApiDoc => "api_doc",
            Self::Code => "code",
            Self::Task => "task",
            Self::Test => "test",
            Self::Error => "error",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Which side of an application a chunk belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// In a browser.
    Web,
    /// On iOS.
    Ios,
    /// On Android.
    Android,
    /// On a server.
    Backend,
}

impl Platform {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Web, Self::Ios, Self::Android, Self::Backend];

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Ios => "ios",
            Self::Android => "android",
            Self::Backend => "backend",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|platform| platform.name() == name)
    }
}

/// What is known of a chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// A file name or an address.
    pub source: String,
    /// The task it came from or belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// When it was stored, RFC 3339 in UTC.
    pub timestamp: String,
    /// The commit that it was true at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The side of the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Words to find it by, sorted, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl Metadata {
    /// Of something stored at `now`, and nothing else known.
    pub fn new(kind: Kind, source: impl Into<String>, now: Millis) -> Self {
        Self {
            kind,
            source: source.into(),
            task_id: None,
            timestamp: now.to_rfc3339(),
            version: None,
            platform: None,
            tags: Vec::new(),
        }
    }

    /// Why it cannot be stored; puts tags in order.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        self.tags = std::mem::take(&mut self.tags).into_iter().map(|tag| tag.trim().to_lowercase()).collect();
        self.tags.retain(|tag| !tag.is_empty());
        self.tags.sort_unstable();
        self.tags.dedup();
        if self.tags.len() > limits::MEMORY_TAGS {
            return Err(format!("{} tags are more than {}", self.tags.len(), limits::MEMORY_TAGS));
        }
        let texts = [Some(&self.source), self.task_id.as_ref(), self.version.as_ref()];
        let long = texts.into_iter().flatten().chain(&self.tags).find(|text| text.len() > limits::COMMENT_BYTES);
        match long {
            Some(text) => {
                Err(format!("a text of the metadata has {} bytes, more than {}", text.len(), limits::COMMENT_BYTES))
            }
            None => Ok(()),
        }
    }
}

/// A piece of knowledge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chunk {
    /// Its id: it follows from what was stored first under it, so that storing the same again is the same chunk.
    pub id: String,
    /// The text.
    pub content: String,
    /// What is known of it.
    pub metadata: Metadata,
}

/// Hexadecimal digits of an id.
const ID_DIGITS: usize = 16;

impl Chunk {
    /// The id of a new chunk; `other` tells apart chunks that would have the same one.
    pub(super) fn id_of(content: &str, metadata: &Metadata, other: u32) -> String {
        let name =
            format!("{}\0{}\0{}\0{other}\0{content}", metadata.kind.name(), metadata.source.len(), metadata.source);
        Digest::of(name.as_bytes()).to_hex()[..ID_DIGITS].to_owned()
    }

    /// Whether both say the same, whenever they were stored.
    pub(super) fn says_the_same(&self, new: &Self) -> bool {
        let metadata = Metadata { timestamp: self.metadata.timestamp.clone(), ..new.metadata.clone() };
        self.content == new.content && self.metadata == metadata
    }

    /// The text that the index of words has of it.
    pub(super) fn indexed(&self) -> String {
        let Metadata { source, task_id, tags, .. } = &self.metadata;
        format!("{}\n{source}\n{}\n{}", self.content, task_id.as_deref().unwrap_or_default(), tags.join(" "))
    }
}

/// Which chunks are meant: all that every given field fits.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filters {
    /// What they are about.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// The very source, or, with a `/` or `*` at its end, what begins with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The very task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// The very commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The side of the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Tags that they all have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Stored at this time or later, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

impl Filters {
    /// Whether a chunk with this metadata is meant.
    pub fn fits(&self, of: &Metadata) -> bool {
        let same = |wanted: &Option<String>, has: Option<&String>| match wanted {
            None => true,
            Some(wanted) => has == Some(wanted),
        };
        let source = |wanted: &String| match wanted.strip_suffix('*') {
            Some(start) => of.source.starts_with(start),
            None if wanted.ends_with('/') => of.source.starts_with(wanted.as_str()),
            None => *wanted == of.source,
        };
        self.kind.is_none_or(|kind| kind == of.kind)
            && self.source.as_ref().is_none_or(source)
            && same(&self.task_id, of.task_id.as_ref())
            && same(&self.version, of.version.as_ref())
            && self.platform.is_none_or(|platform| of.platform == Some(platform))
            && self.tags.iter().all(|tag| of.tags.contains(&tag.trim().to_lowercase()))
            && self.since.as_ref().is_none_or(|since| of.timestamp >= *since)
    }

    /// What is wrong with them, in words. A time is written as chunks have it, so that texts compare as times do.
    pub(super) fn settled(&self) -> Result<Self, String> {
        let since = match &self.since {
            None => None,
            Some(text) => {
                let time = Millis::from_rfc3339(text);
                Some(
                    time.ok_or_else(|| format!("`since`: {text:?} is no time such as 2026-11-20T12:00:00Z"))?
                        .to_rfc3339(),
                )
            }
        };
        Ok(Self { since, ..self.clone() })
    }
}
