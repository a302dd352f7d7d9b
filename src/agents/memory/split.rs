//! A text in chunks of 512 to 1,024 tokens, a few less where that keeps a word whole, cut where people would cut it: between
//! paragraphs, else between lines, else between words. A text that is shorter is one chunk. Pure.

use crate::domain::limits;

/// Bytes of a token, as the repository's map counts them.
const TOKEN_BYTES: usize = 4;
/// Room for a good place to cut, where a text is hardly longer than whole chunks: so much less may a chunk be.
const SLACK_BYTES: usize = 64 * TOKEN_BYTES;

/// How many tokens a text has, about.
pub fn tokens(text: &str) -> usize {
    text.len().div_ceil(TOKEN_BYTES)
}

/// The chunks of `text`, without white space around them. Together they hold all of its words.
pub fn split(text: &str) -> Vec<&str> {
    let most = limits::MEMORY_CHUNK_TOKENS * TOKEN_BYTES;
    let least = limits::MEMORY_CHUNK_TOKENS_LEAST * TOKEN_BYTES - SLACK_BYTES;
    let (mut chunks, mut rest) = (Vec::new(), text.trim());
    while rest.len() > most {
        let pieces = rest.len().div_ceil(most - SLACK_BYTES);
        let target = rest.len() / pieces;
        // Behind the cut there is enough left for a chunk, and not more than the pieces that are still to come can hold.
        let from = least.max(rest.len().saturating_sub((pieces - 1) * most));
        let to = most.min(rest.len() - least);
        let at = cut(rest, from.min(to), to, target);
        let (chunk, behind) = rest.split_at(at);
        chunks.push(chunk.trim_end());
        rest = behind.trim_start();
    }
    if !rest.is_empty() {
        chunks.push(rest);
    }
    chunks
}

/// The best place between `from` and `to`: a paragraph's end, a line's, a word's, the one nearest to `target`.
fn cut(text: &str, from: usize, to: usize, target: usize) -> usize {
    let from = text.ceil_char_boundary(from);
    let to = text.floor_char_boundary(to).max(from);
    let window = &text[from..to];
    for end in ["\n\n", "\n", " "] {
        let places = window.match_indices(end).map(|(at, end)| from + at + end.len());
        if let Some(best) = places.min_by_key(|at| at.abs_diff(target)) {
            return best;
        }
    }
    text.floor_char_boundary(target.clamp(from, to)).max(from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_long_text_is_cut_between_paragraphs_and_a_short_one_is_not() {
        assert_eq!(split("  one\n"), ["one"]);
        assert_eq!(split(" \n"), [""; 0]);
        let paragraph = format!("{}\n\n", "word ".repeat(200).trim_end());
        let text = paragraph.repeat(12);
        let chunks = split(&text);
        assert!(chunks.len() >= 3, "{}", chunks.len());
        for chunk in &chunks {
            assert!((512..=1024).contains(&tokens(chunk)), "{} tokens", tokens(chunk));
            assert!(
                chunk.starts_with("word word") && chunk.ends_with("word") && chunk.len() % 1001 == 999,
                "whole paragraphs"
            );
        }
    }

    #[test]
    fn one_byte_past_a_chunk_is_two_and_a_text_without_any_place_to_cut_is_cut_all_the_same() {
        let most = limits::MEMORY_CHUNK_TOKENS * TOKEN_BYTES;
        assert_eq!(split(&"x".repeat(most)).len(), 1);
        let cut = split(&"é".repeat(most)).iter().map(|chunk| chunk.len()).collect::<Vec<_>>();
        assert_eq!(cut.iter().sum::<usize>(), 2 * most);
        assert!(cut.iter().all(|bytes| *bytes <= most && *bytes >= most / 2), "{cut:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_word_is_lost(lengths in prop::collection::vec((1_usize..40, 0_usize..4), 0..600)) {
            let word = |(length, end): &(usize, usize)| "aé".repeat(*length) + [" ", "\n", "\n\n", "  "][*end];
            let text: String = lengths.iter().map(word).collect();
            let chunks = split(&text);
            let together: Vec<&str> = chunks.iter().flat_map(|chunk| chunk.split_whitespace()).collect();
            prop_assert_eq!(together, text.split_whitespace().collect::<Vec<_>>());
            for chunk in &chunks {
                prop_assert!(tokens(chunk) <= 1024);
            }
        }
    }
}
