//! The secret scan: keys, tokens and passwords that are about to become part of a history.
//!
//! Two kinds of evidence: the shapes that providers gave their keys (a prefix, an alphabet, a length), and a literal that is
//! assigned to a name such as `password` and looks random. Time is linear in the text: every byte is looked at by a bounded
//! number of rules. Hashes in lock files have neither a prefix nor such a name. Where a literal is meant to be there, the
//! comment [`ALLOWED`] on its line, or alone on the line before, says so. Pure.

mod assigned;
mod diff;
mod shapes;

#[cfg(test)]
mod tests;

pub use diff::scan_diff;

use serde::{Deserialize, Serialize};

use crate::domain::limits;
use crate::telemetry::mask::Masker;

/// The comment that lets a line pass.
pub const ALLOWED: &str = "wfctl:allow-secret";

/// Bytes looked at for a null byte, which text has none of. Source: git's own `buffer_is_binary`.
const BINARY_PROBE_BYTES: usize = 8_000;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// What a secret opens. Names are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum SecretKind { $($(#[$doc])* #[serde(rename = $name)] $variant,)* }

        impl SecretKind {
            /// The stable name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

kinds! {
    /// An AWS access key id.
    Aws = "aws-key";
    /// A GitHub token.
    GitHub = "github-token";
    /// A GitLab token.
    GitLab = "gitlab-token";
    /// An OpenAI key.
    OpenAi = "openai-key";
    /// An Anthropic key.
    Anthropic = "anthropic-key";
    /// An OpenRouter key.
    OpenRouter = "openrouter-key";
    /// A Groq key.
    Groq = "groq-key";
    /// A Google key or client secret.
    Google = "google-key";
    /// A Slack token.
    Slack = "slack-token";
    /// A Stripe key.
    Stripe = "stripe-key";
    /// An npm token.
    Npm = "npm-token";
    /// A Hugging Face token.
    HuggingFace = "huggingface-token";
    /// A private key in PEM.
    PrivateKey = "private-key";
    /// A JSON web token.
    Jwt = "jwt";
    /// A password in a URL.
    Url = "url-password";
    /// A literal that is assigned to a name such as `password`.
    Assigned = "assigned-secret";
    /// The value of a secret of the person's, in whatever form.
    Known = "known-secret";
}

/// A secret, and where. It never contains the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The file, as it was given.
    pub file: String,
    /// Its line, from 1.
    pub line: u32,
    /// What it opens.
    pub kind: SecretKind,
    /// What it looks like, without what makes it a secret.
    pub excerpt: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}: {}", self.file, self.line, self.kind.name(), self.excerpt)
    }
}

/// The secrets in a file, in the order of its lines; at most [`limits::SECRET_FINDINGS`]. A binary file has none.
pub fn scan(file: &str, content: &[u8]) -> Vec<Finding> {
    if content[..content.len().min(BINARY_PROBE_BYTES)].contains(&0) {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(content);
    scan_lines(file, (1..).zip(text.lines()))
}

/// The values of known secrets in a file, also in a binary one; no comment lets them pass.
pub fn scan_known(file: &str, content: &[u8], masker: &Masker) -> Vec<Finding> {
    let line = |at: usize| content[..at].iter().filter(|byte| **byte == b'\n').count() as u32 + 1;
    let found = masker.find(content).into_iter().take(limits::SECRET_FINDINGS);
    found
        .map(|hit| finding(file, line(hit.span.start), SecretKind::Known, format!("the value of {}", hit.name)))
        .collect()
}

/// The secrets in several files, in the order given.
pub fn scan_files<'f>(files: impl IntoIterator<Item = (&'f str, &'f [u8])>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = files.into_iter().flat_map(|(file, content)| scan(file, content)).collect();
    findings.truncate(limits::SECRET_FINDINGS);
    findings
}

/// The secrets in numbered lines of one file.
fn scan_lines<'l>(file: &str, lines: impl Iterator<Item = (u32, &'l str)>) -> Vec<Finding> {
    let assigned = assigned::Rule::of(file);
    let mut findings = Vec::new();
    let mut is_allowed = false;
    // A private key's header is followed by the key; a header alone is a program that knows the format.
    let mut header: Option<u32> = None;
    for (number, line) in lines {
        let allows = line.contains(ALLOWED);
        let passes = allows || is_allowed;
        let is_alone = allows && line.trim_start().starts_with(|c: char| !c.is_alphanumeric() && !"\"'`".contains(c));
        is_allowed = is_alone;
        if passes {
            header = None;
            continue;
        }
        let mut found = Vec::new();
        if let Some(at) = header.take()
            && shapes::is_key_material(line.trim())
        {
            findings.push(finding(file, at, SecretKind::PrivateKey, "-----BEGIN … PRIVATE KEY-----".to_owned()));
        }
        match shapes::private_key(line) {
            shapes::PrivateKey::None => {}
            shapes::PrivateKey::Header => header = Some(number),
            shapes::PrivateKey::Whole => {
                found.push((SecretKind::PrivateKey, "-----BEGIN … PRIVATE KEY-----".to_owned()));
            }
        }
        shapes::find(line, &mut found);
        if found.is_empty() {
            assigned.find(line, &mut found);
        }
        findings.extend(found.into_iter().map(|(kind, excerpt)| finding(file, number, kind, excerpt)));
        if findings.len() >= limits::SECRET_FINDINGS {
            break;
        }
    }
    findings.truncate(limits::SECRET_FINDINGS);
    findings
}

fn finding(file: &str, line: u32, kind: SecretKind, excerpt: String) -> Finding {
    Finding { file: file.to_owned(), line, kind, excerpt }
}

/// Shannon's entropy of `text` in bits a character.
fn entropy_bits(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text.bytes() {
        counts[usize::from(byte)] += 1;
    }
    let all = text.len() as f64;
    let share = |count: &u32| f64::from(*count) / all;
    counts.iter().filter(|count| **count > 0).map(share).map(|p| -p * p.log2()).sum()
}

/// What stands in documents and tests instead of a secret.
fn is_placeholder(value: &str) -> bool {
    const WORDS: &[&str] = &[
        "example",
        "changeme",
        "change-me",
        "your",
        "xxxx",
        "dummy",
        "placeholder",
        "redacted",
        "fake",
        "${",
        "{{",
        "<",
        "%(",
        "...",
        "…",
        "****",
        "0123456789",
        "abcdefgh",
    ];
    let lower = value.to_lowercase();
    WORDS.iter().any(|word| lower.contains(word)) || value.starts_with('$')
}
