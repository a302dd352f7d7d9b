//! A reply while it arrives, without known secrets: what may be the beginning of one is held back until it is known to be none.
//! Words that are held back at the end are not told; the reply's record has them all.

use std::sync::{Mutex, PoisonError};

use crate::agents::provider::Heard;
use crate::telemetry::mask::{Masker, Stream};

/// The words of one reply on their way to whoever watches.
pub(super) struct Live<'h> {
    heard: Heard<'h>,
    held: Mutex<Held>,
}

struct Held {
    streams: [Stream; 2],
    /// Masked, but the end of it may be a character in the making.
    bytes: Vec<u8>,
}

impl<'h> Live<'h> {
    /// Nothing was said yet.
    pub(super) fn new(masks: &[Masker; 2], heard: Heard<'h>) -> Self {
        let streams = masks.each_ref().map(|masker| Stream::new(masker.clone()));
        Self { heard, held: Mutex::new(Held { streams, bytes: Vec::new() }) }
    }

    /// Hears the next words, or a sign of life without any.
    pub(super) fn hear(&self, text: &str) {
        let said = match text {
            "" => String::new(),
            words => self.held.lock().unwrap_or_else(PoisonError::into_inner).pass(words),
        };
        (self.heard)(&said);
    }
}

impl Held {
    /// What can be said now.
    fn pass(&mut self, text: &str) -> String {
        let mut once = Vec::new();
        self.streams[0].push(text.as_bytes(), &mut once);
        self.streams[1].push(&once, &mut self.bytes);
        let whole = match std::str::from_utf8(&self.bytes) {
            Ok(_) => self.bytes.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            // A value was struck out of the middle of a character: what is left of it will never be one.
            Err(_) => self.bytes.len(),
        };
        let rest = self.bytes.split_off(whole);
        String::from_utf8_lossy(&std::mem::replace(&mut self.bytes, rest)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(masks: [Masker; 2], pieces: &[&str]) -> Vec<String> {
        let told = Mutex::new(Vec::new());
        let heard = |text: &str| told.lock().unwrap().push(text.to_owned());
        let live = Live::new(&masks, &heard);
        pieces.iter().for_each(|piece| live.hear(piece));
        told.into_inner().unwrap()
    }

    #[test]
    fn a_secret_is_struck_out_wherever_it_is_cut_and_the_rest_is_not_held_back_long() {
        let masks = || [Masker::new([("A", "hunter2hunter2")]), Masker::new([("GUESSED", "guessed-secret")])];
        let text = "the key is hunter2hunter2, and guessed-secret too; that is all.";
        for size in 1..30 {
            let chars: Vec<char> = text.chars().collect();
            let pieces: Vec<String> = chars.chunks(size).map(|piece| piece.iter().collect()).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let told = told(masks(), &pieces);
            assert_eq!(told.len(), pieces.len(), "each piece is a sign of life");
            assert_eq!(told.concat(), "the key is [secret], and [secret] too; that is all.");
        }
    }

    #[test]
    fn words_that_may_become_a_secret_wait_and_are_said_when_they_do_not() {
        let masks = || [Masker::new([("A", "hunter2hunter2")]), Masker::default()];
        assert_eq!(told(masks(), &["a hunter2", "hunt", " it is"]), ["a ", "", "hunter2hunt it is"]);
        assert_eq!(told(masks(), &["", "für ", "🙂"]), ["", "für ", "🙂"]);
    }
}
