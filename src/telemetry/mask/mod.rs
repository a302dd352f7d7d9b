//! Known secret values, struck out of whatever is about to be kept, shown or sent, in any of the forms in which commands,
//! servers and models repeat them.
//!
//! A [`Masker`] is one automaton over all forms of all values (see `patterns.rs`); white space is no part of a match, so that
//! a value that was wrapped into lines is found too. [`Stream`] does the same to output that arrives in pieces, [`Masks`] is
//! the set that grows while the engine learns values. This is no defence against a command that hides what it prints
//! (compressed, encrypted, reversed): it catches what is repeated by mistake.

mod book;
mod patterns;
mod stream;

#[cfg(test)]
mod tests;

pub use book::Masks;
pub use stream::Stream;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use serde_json::Value;

/// What stands in the place of a secret.
pub const SHOWN: &str = "[secret]";

/// Shorter values are no secrets: striking them out would destroy innocent text. White space does not count.
pub const SHORTEST_BYTES: usize = 8;

/// Longer values are refused: their forms would fill the memory.
pub const LONGEST_BYTES: usize = 16 * 1024;

/// More white space than this in one place is no wrapping of lines.
const GAP_BYTES: usize = 64;

/// How much is looked at in one go.
const PIECE_BYTES: usize = 64 * 1024;

/// Whether a value can be struck out: it is neither too short nor too long.
pub fn is_maskable(value: &str) -> bool {
    value.len() <= LONGEST_BYTES && value.bytes().filter(|byte| !byte.is_ascii_whitespace()).count() >= SHORTEST_BYTES
}

/// Finds and replaces known values. Cheap to clone; an empty one changes nothing.
#[derive(Clone, Default)]
pub struct Masker(Option<Arc<Automaton>>);

struct Automaton {
    search: AhoCorasick,
    /// All forms, without white space, ascending.
    forms: Vec<Box<[u8]>>,
    /// Whose form each is.
    names: Vec<Arc<str>>,
    /// Which bytes forms begin with.
    begins: [bool; 256],
    longest: usize,
}

/// A value that was found, as bytes of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Where.
    pub span: Range<usize>,
    /// The name of the secret.
    pub name: Arc<str>,
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Masker({} forms)", self.0.as_ref().map_or(0, |all| all.forms.len()))
    }
}

impl Masker {
    /// A masker of these values by name. Values that are too short or too long are left out.
    pub fn new<'v>(values: impl IntoIterator<Item = (&'v str, &'v str)>) -> Self {
        let mut all: BTreeMap<Box<[u8]>, Arc<str>> = BTreeMap::new();
        for (name, value) in values.into_iter().filter(|(_, value)| is_maskable(value)) {
            let name: Arc<str> = name.into();
            for form in patterns::of(value) {
                all.entry(form.into_boxed_slice()).or_insert_with(|| name.clone());
            }
        }
        if all.is_empty() {
            return Self(None);
        }
        let (forms, names): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        let search = AhoCorasick::builder().match_kind(MatchKind::Standard).build(&forms);
        // It fails only when there are more states than 32 bits can number, which a bounded file of secrets cannot bring about.
        let search = search.expect("forms of secrets of bounded size fit an automaton");
        let mut begins = [false; 256];
        for form in &forms {
            begins[usize::from(form[0])] = true;
        }
        let longest = forms.iter().map(|form| form.len()).max().unwrap_or(0);
        Self(Some(Arc::new(Automaton { search, forms, names, begins, longest })))
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The longest form in bytes; 0 when there is none.
    pub fn longest(&self) -> usize {
        self.0.as_ref().map_or(0, |all| all.longest)
    }

    /// Where known values are, in order; what overlaps is told once.
    pub fn find(&self, text: &[u8]) -> Vec<Hit> {
        let mut found: Vec<Hit> = Vec::new();
        let overlap = self.longest() * 2;
        let mut from = 0;
        while from < text.len() && !self.is_empty() {
            let piece = &text[from..text.len().min(from + PIECE_BYTES + overlap)];
            let shifted = self.hits(&Squeezed::of(piece)).into_iter();
            let shifted = shifted.map(|hit| Hit { span: hit.span.start + from..hit.span.end + from, name: hit.name });
            found.extend(shifted);
            from += PIECE_BYTES;
        }
        merged(found)
    }

    /// The names of the secrets that are in `text`.
    pub fn names_in(&self, text: &[u8]) -> BTreeSet<Arc<str>> {
        self.find(text).into_iter().map(|hit| hit.name).collect()
    }

    /// `text` without known values.
    pub fn bytes<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        if self.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = Vec::with_capacity(text.len());
        let mut stream = Stream::new(self.clone());
        text.chunks(PIECE_BYTES).for_each(|piece| stream.push(piece, &mut out));
        stream.finish(&mut out);
        if out == text { Cow::Borrowed(text) } else { Cow::Owned(out) }
    }

    /// `text` without known values.
    pub fn text(&self, text: String) -> String {
        match self.bytes(text.as_bytes()) {
            Cow::Borrowed(_) => text,
            Cow::Owned(masked) => String::from_utf8_lossy(&masked).into_owned(),
        }
    }

    /// JSON text without known values, still JSON; what is no JSON is masked as bytes.
    pub fn json<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        if self.is_empty() {
            return Cow::Borrowed(text);
        }
        let masked = self.bytes(text);
        if matches!(masked, Cow::Borrowed(_)) {
            return masked;
        }
        match serde_json::from_slice::<Value>(text) {
            Ok(mut value) => {
                self.value(&mut value);
                Cow::Owned(value.to_string().into_bytes())
            }
            Err(_) => masked,
        }
    }

    /// Masks every text of a JSON value, its keys too; a number that is a secret becomes a text. Tells whether there was one.
    pub fn value(&self, value: &mut Value) -> bool {
        match value {
            _ if self.is_empty() => false,
            Value::Null | Value::Bool(_) => false,
            Value::Number(number) => {
                let is_one = matches!(self.bytes(number.to_string().as_bytes()), Cow::Owned(_));
                if is_one {
                    *value = Value::from(SHOWN);
                }
                is_one
            }
            Value::String(text) => match self.bytes(text.as_bytes()) {
                Cow::Borrowed(_) => false,
                Cow::Owned(masked) => {
                    *text = String::from_utf8_lossy(&masked).into_owned();
                    true
                }
            },
            Value::Array(items) => items.iter_mut().fold(false, |any, item| self.value(item) | any),
            Value::Object(fields) => {
                let mut any = fields.values_mut().fold(false, |any, item| self.value(item) | any);
                if fields.keys().any(|key| matches!(self.bytes(key.as_bytes()), Cow::Owned(_))) {
                    any = true;
                    *fields = std::mem::take(fields).into_iter().map(|(key, item)| (self.text(key), item)).collect();
                }
                any
            }
        }
    }

    /// Every match, ascending by its end, as bytes of the text that was squeezed.
    fn hits(&self, text: &Squeezed) -> Vec<Hit> {
        let Some(all) = &self.0 else { return Vec::new() };
        let found = all.search.find_overlapping_iter(&text.bytes);
        let hit = |found: aho_corasick::Match| Hit {
            span: text.raw(found.start()..found.end()),
            name: all.names[found.pattern().as_usize()].clone(),
        };
        merged(found.map(hit).collect())
    }

    /// Where the first suffix begins that may be the beginning of a form, as a byte of the text that was squeezed; its length
    /// when there is none.
    fn open_from(&self, text: &Squeezed, length: usize) -> usize {
        let Some(all) = &self.0 else { return length };
        let from = text.bytes.len().saturating_sub(all.longest - 1);
        let is_open = |at: &usize| {
            let suffix = &text.bytes[*at..];
            if !all.begins[usize::from(suffix[0])] {
                return false;
            }
            let first = all.forms.partition_point(|form| &**form < suffix);
            all.forms[first..].iter().take(2).any(|form| form.len() > suffix.len() && form.starts_with(suffix))
        };
        (from..text.bytes.len()).find(is_open).map_or(length, |at| text.at[at] as usize)
    }
}

/// A piece of text without its white space, and where each byte was.
struct Squeezed {
    bytes: Vec<u8>,
    at: Vec<u32>,
}

impl Squeezed {
    fn of(text: &[u8]) -> Self {
        let (mut bytes, mut at) = (Vec::with_capacity(text.len()), Vec::with_capacity(text.len()));
        let mut gap = 0;
        for (ix, byte) in text.iter().enumerate() {
            if byte.is_ascii_whitespace() {
                gap += 1;
                if gap == GAP_BYTES + 1 {
                    // No form has white space in it: nothing matches across.
                    bytes.push(b' ');
                    at.push(ix as u32);
                }
                continue;
            }
            gap = 0;
            bytes.push(*byte);
            at.push(ix as u32);
        }
        Self { bytes, at }
    }

    fn raw(&self, span: Range<usize>) -> Range<usize> {
        self.at[span.start] as usize..self.at[span.end - 1] as usize + 1
    }
}

/// One hit for each run of overlapping ones, ascending.
fn merged(mut hits: Vec<Hit>) -> Vec<Hit> {
    hits.sort_by_key(|hit| hit.span.start);
    let mut all: Vec<Hit> = Vec::new();
    for hit in hits {
        match all.last_mut() {
            Some(last) if hit.span.start < last.span.end => last.span.end = last.span.end.max(hit.span.end),
            Some(_) | None => all.push(hit),
        }
    }
    all
}
