//! The addresses of resources: `wfctl://project/ID/journal` and `wfctl://project/ID/artifact/TASK/NAME`.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::domain::ids::{ProjectId, Seq};

/// The template of journals.
pub const JOURNAL_TEMPLATE: &str = "wfctl://project/{id}/journal{?from}";
/// The template of artifacts.
pub const ARTIFACT_TEMPLATE: &str = "wfctl://project/{id}/artifact/{task}/{name}";

const SCHEME: &str = "wfctl://project/";

/// What stays as it is in a part of a path: the unreserved characters of RFC 3986.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What an address leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The journal of a project.
    Journal {
        /// The project.
        project: ProjectId,
        /// The first record wanted.
        from: Seq,
    },
    /// An artifact of a task.
    Artifact {
        /// The project.
        project: ProjectId,
        /// The task that kept it.
        task: String,
        /// Its name.
        name: String,
    },
}

impl Place {
    /// A whole journal.
    pub fn journal(project: &ProjectId) -> Self {
        Self::Journal { project: project.clone(), from: Seq(1) }
    }

    /// Reads an address; an error says what is wrong with it.
    pub fn read(uri: &str) -> Result<Self, String> {
        let shape =
            || format!("`{uri}` is no resource of this server; they are {JOURNAL_TEMPLATE} and {ARTIFACT_TEMPLATE}");
        let rest = uri.strip_prefix(SCHEME).ok_or_else(shape)?;
        let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        let parts: Vec<String> = path.split('/').map(decoded).collect::<Option<_>>().ok_or_else(shape)?;
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let project = |id: &str| ProjectId::new(id).map_err(|error| error.to_string());
        match (parts.as_slice(), query) {
            ([id, "journal"], None) => Ok(Self::journal(&project(id)?)),
            ([id, "journal"], Some(query)) => {
                let from = query.strip_prefix("from=").and_then(|from| from.parse().ok()).ok_or_else(shape)?;
                Ok(Self::Journal { project: project(id)?, from: Seq(from) })
            }
            ([id, "artifact", task, name], None) if !task.is_empty() && !name.is_empty() => {
                Ok(Self::Artifact { project: project(id)?, task: (*task).to_owned(), name: (*name).to_owned() })
            }
            _ => Err(shape()),
        }
    }
}

fn decoded(part: &str) -> Option<String> {
    percent_decode_str(part).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Journal { project, from } if from.0 <= 1 => write!(f, "{SCHEME}{project}/journal"),
            Self::Journal { project, from } => write!(f, "{SCHEME}{project}/journal?from={from}"),
            Self::Artifact { project, task, name } => {
                let escaped = |text| utf8_percent_encode(text, ESCAPED);
                write!(f, "{SCHEME}{project}/artifact/{}/{}", escaped(task), escaped(name))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_back_whatever_the_names_are() {
        let project = ProjectId::new("a.b-1").unwrap();
        let journal = Place::Journal { project: project.clone(), from: Seq(7) };
        let odd = |task: &str, name: &str| Place::Artifact {
            project: project.clone(),
            task: task.to_owned(),
            name: name.to_owned(),
        };
        for place in
            [Place::journal(&project), journal, odd("build[0]", "plan"), odd("a/b", "ü?#%20.."), odd("..", ".")]
        {
            let uri = place.to_string();
            assert_eq!(Place::read(&uri), Ok(place), "{uri}");
        }
        assert_eq!(odd("build[0]", "x y").to_string(), "wfctl://project/a.b-1/artifact/build%5B0%5D/x%20y");
    }

    #[test]
    fn other_addresses_are_refused_in_words() {
        for bad in [
            "",
            "file:///etc/passwd",
            "wfctl://project/",
            "wfctl://project/UP/journal",
            "wfctl://project/a/journal?from=x",
            "wfctl://project/a/artifact/t",
            "wfctl://project/a/artifact/t/",
            "wfctl://project/a/artifact/t/n/more",
            "wfctl://project/a/artifact/t/%ff",
        ] {
            assert!(!Place::read(bad).unwrap_err().is_empty(), "{bad}");
        }
    }
}
