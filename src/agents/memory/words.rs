//! The index of words: BM25 over all chunks, in memory, made from the log when that is opened.
//!
//! Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009, with the inverse document
//! frequency that is never negative. Code and prose are taken apart alike: a name counts as a whole and by its parts.

use std::collections::{BTreeMap, HashMap};

/// How soon more of the same word counts no more, and how much a long text counts less; the values of the paper.
const K1: f64 = 1.2;
const B: f64 = 0.75;
/// Longest word; a longer one was made by a program.
const WORD_BYTES: usize = 64;
/// Words that say nothing.
const EMPTY: [&str; 24] = [
    "a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "in", "is", "it", "of", "on", "or", "that", "the",
    "this", "to", "was", "we", "with", "you",
];

/// The words of a text in lower case: each run of letters, digits and `_`, and the parts of a name like `readFile` or `read_file`.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for run in text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|run| !run.is_empty()) {
        let whole = run.trim_matches('_').to_lowercase();
        let parts = parts(run);
        if parts.len() > 1 {
            words.extend(parts);
        }
        words.push(whole);
    }
    words.retain(|word| !word.is_empty() && word.len() <= WORD_BYTES && !EMPTY.contains(&word.as_str()));
    words
}

fn parts(name: &str) -> Vec<String> {
    let (mut parts, mut part, mut before) = (Vec::new(), String::new(), None);
    for c in name.chars() {
        let begins = c == '_'
            || (c.is_uppercase() && before.is_some_and(|before: char| before.is_lowercase() || before.is_numeric()));
        if begins && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
        }
        if c != '_' {
            part.extend(c.to_lowercase());
        }
        before = Some(c);
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

/// A text of the index.
#[derive(Debug)]
struct Text {
    id: String,
    words: u32,
    is_alive: bool,
}

/// The index.
#[derive(Debug, Default)]
pub struct Words {
    texts: Vec<Text>,
    slots: HashMap<String, u32>,
    /// For each word the texts that have it, and how often.
    postings: HashMap<String, Vec<(u32, u32)>>,
    /// Words of all texts that are alive.
    total: u64,
}

impl Words {
    /// Adds a text, in place of one of the same id.
    pub fn add(&mut self, id: &str, text: &str) {
        self.remove(id);
        let slot =
            u32::try_from(self.texts.len()).expect("a memory is bounded far below 2^32 chunks, rebuilt ones included");
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        let mut all = 0;
        for word in words(text) {
            *counts.entry(word).or_default() += 1;
            all += 1;
        }
        for (word, count) in counts {
            self.postings.entry(word).or_default().push((slot, count));
        }
        self.texts.push(Text { id: id.to_owned(), words: all, is_alive: true });
        self.slots.insert(id.to_owned(), slot);
        self.total += u64::from(all);
    }

    /// Takes a text out; one that is not there is no error.
    pub fn remove(&mut self, id: &str) {
        let Some(slot) = self.slots.remove(id) else { return };
        let text = &mut self.texts[slot as usize];
        text.is_alive = false;
        self.total -= u64::from(text.words);
        // Half of it dead: what is left moves together.
        if self.texts.len() > 64 && self.slots.len() < self.texts.len() / 2 {
            self.compact();
        }
    }

    fn compact(&mut self) {
        let mut moved: Vec<Option<u32>> = Vec::with_capacity(self.texts.len());
        let mut next = 0;
        for text in &self.texts {
            moved.push(text.is_alive.then_some(next));
            next += u32::from(text.is_alive);
        }
        self.texts.retain(|text| text.is_alive);
        self.slots = (0..).zip(&self.texts).map(|(slot, text)| (text.id.clone(), slot)).collect();
        for posting in self.postings.values_mut() {
            *posting = posting.iter().filter_map(|(slot, count)| Some((moved[*slot as usize]?, *count))).collect();
        }
        self.postings.retain(|_, posting| !posting.is_empty());
    }

    /// The ids of the best `top` texts that `is_meant`, best first, with their scores. Ties are in the order of ids.
    pub fn search(&self, query: &str, top: usize, is_meant: impl Fn(&str) -> bool) -> Vec<(String, f64)> {
        let mut wanted = words(query);
        wanted.sort_unstable();
        wanted.dedup();
        let texts = self.slots.len() as f64;
        let mean = (self.total as f64 / texts.max(1.0)).max(1.0);
        let mut scores: HashMap<u32, f64> = HashMap::new();
        for posting in wanted.iter().filter_map(|word| self.postings.get(word)) {
            let alive = || posting.iter().filter(|(slot, _)| self.texts[*slot as usize].is_alive);
            let having = alive().count() as f64;
            let rarity = (1.0 + (texts - having + 0.5) / (having + 0.5)).ln();
            for (slot, count) in alive() {
                let count = f64::from(*count);
                let length = f64::from(self.texts[*slot as usize].words) / mean;
                *scores.entry(*slot).or_default() +=
                    rarity * count * (K1 + 1.0) / (count + K1 * (1.0 - B + B * length));
            }
        }
        let mut found: Vec<(String, f64)> = scores
            .into_iter()
            .map(|(slot, score)| (self.texts[slot as usize].id.clone(), score))
            .filter(|(id, _)| is_meant(id))
            .collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        found.truncate(top);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_whole_and_by_their_parts() {
        assert_eq!(
            words("The readFile of HTTP_status2xx"),
            ["read", "file", "readfile", "http", "status2xx", "http_status2xx"]
        );
        assert_eq!(words("größe 日本 __init__"), ["größe", "日本", "init"]);
        assert_eq!(words(&"x".repeat(100)), [""; 0]);
    }

    #[test]
    fn rare_words_count_more_and_long_texts_less() {
        let mut index = Words::default();
        index.add("a", "retry with backoff and jitter");
        index.add("b", "retry retry retry retry of everything");
        index.add("c", "retry the login token until it is fresh");
        index.add("d", &format!("retry jitter {}", "padding ".repeat(200)));
        let ids = |query: &str| index.search(query, 9, |_| true).into_iter().map(|(id, _)| id).collect::<Vec<_>>();
        assert_eq!(ids("jitter"), ["a", "d"]);
        assert_eq!(ids("the token")[0], "c");
        assert_eq!(ids("nothing of that"), [""; 0]);
        assert_eq!(index.search("retry", 9, |id| id == "d").len(), 1);
        assert_eq!(index.search("retry", 2, |_| true).len(), 2);
    }

    #[test]
    fn what_is_taken_out_is_not_found_and_changes_the_weight_of_the_others() {
        let mut index = Words::default();
        for number in 0..200 {
            index.add(&format!("t{number}"), &format!("shared word{number}"));
        }
        for number in 0..150 {
            index.remove(&format!("t{number}"));
        }
        index.remove("nobody");
        assert!(index.texts.len() < 200, "it moved together");
        assert!(index.search("word3", 9, |_| true).is_empty());
        assert_eq!(index.search("word170", 9, |_| true)[0].0, "t170");
        let mut fresh = Words::default();
        for number in 150..200 {
            fresh.add(&format!("t{number}"), &format!("shared word{number}"));
        }
        assert_eq!(index.search("shared word199", 9, |_| true), fresh.search("shared word199", 9, |_| true));
        index.add("t170", "something else");
        assert!(index.search("word170", 9, |_| true).is_empty(), "a text takes the place of its older self");
    }
}
