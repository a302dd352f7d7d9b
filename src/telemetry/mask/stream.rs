//! Masking of output that arrives in pieces: what may be the beginning of a value is held back until it is known to be none.

use std::ops::Range;

use super::{Masker, SHOWN, Squeezed};

/// One stream of bytes. It holds back less than the longest form of a value, white space in it not counted.
#[derive(Debug)]
pub struct Stream {
    masker: Masker,
    held: Vec<u8>,
    /// So many of the first bytes that are held belong to a value whose place was taken already.
    covered: usize,
}

impl Stream {
    /// A stream at its beginning.
    pub fn new(masker: Masker) -> Self {
        Self { masker, held: Vec::new(), covered: 0 }
    }

    /// Takes in what arrived and appends to `out` what can be said of it.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        if self.masker.is_empty() {
            return out.extend_from_slice(piece);
        }
        self.held.extend_from_slice(piece);
        let text = Squeezed::of(&self.held);
        let until = self.masker.open_from(&text, self.held.len());
        let spans = self.spans(&text);
        self.say(&spans, until, out);
    }

    /// Nothing more arrives: appends what was held back.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let spans = self.spans(&Squeezed::of(&self.held));
        let until = self.held.len();
        self.say(&spans, until, out);
    }

    /// How much is held back.
    pub fn held_bytes(&self) -> usize {
        self.held.len()
    }

    /// What is a value, ascending, the part of one whose place was taken included.
    fn spans(&self, text: &Squeezed) -> Vec<Range<usize>> {
        let mut spans: Vec<Range<usize>> = Vec::new();
        if self.covered > 0 {
            spans.push(0..self.covered);
        }
        for hit in self.masker.hits(text) {
            match spans.last_mut() {
                Some(last) if hit.span.start < last.end => last.end = last.end.max(hit.span.end),
                Some(_) | None => spans.push(hit.span),
            }
        }
        spans
    }

    fn say(&mut self, spans: &[Range<usize>], until: usize, out: &mut Vec<u8>) {
        let mut at = 0;
        let mut covered = 0;
        for span in spans.iter().take_while(|span| span.start < until) {
            out.extend_from_slice(&self.held[at..span.start]);
            if span.start > 0 || self.covered == 0 {
                out.extend_from_slice(SHOWN.as_bytes());
            }
            at = span.end.min(until);
            covered = span.end.saturating_sub(until);
        }
        // A part whose place was taken stays so even when all of it is held back once more.
        if until == 0 {
            covered = self.covered;
        }
        out.extend_from_slice(&self.held[at..until]);
        self.held.drain(..until);
        self.covered = covered;
    }
}
