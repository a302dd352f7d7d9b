//! Bounds of answers: most items, most bytes, and texts that are cut where a character ends.

use serde::Serialize;

/// Items of one page unless more or fewer are asked for.
pub const ITEMS: u16 = 50;
/// Most items of one page.
pub const MOST_ITEMS: u16 = 500;
/// A page ends before the item that would pass this many bytes of JSON: what a model can take in at once.
pub const PAGE_BYTES: usize = 48 * 1024;
/// Longest text of one field of an item; what is longer has a tool or a resource of its own.
pub const FIELD_BYTES: usize = 2 * 1024;
/// Bytes of a log or an artifact in one answer unless more or fewer are asked for.
pub const TEXT_BYTES: u32 = 16 * 1024;
/// Most bytes of a log or an artifact in one answer.
pub const MOST_TEXT_BYTES: u32 = 64 * 1024;
/// Most bytes of a resource in one answer. Resources are read by programs, and so they are larger.
pub const RESOURCE_BYTES: usize = 1024 * 1024;

/// How many items are wanted.
pub fn items(limit: Option<u16>) -> usize {
    usize::from(limit.unwrap_or(ITEMS).clamp(1, MOST_ITEMS))
}

/// How many bytes are wanted.
pub fn text_bytes(limit: Option<u32>) -> usize {
    // Widening.
    limit.unwrap_or(TEXT_BYTES).clamp(4, MOST_TEXT_BYTES) as usize
}

/// The first items that fit a page, at least one of them, and whether any is left.
pub fn fill<T: Serialize>(items: impl IntoIterator<Item = T>, most: usize) -> (Vec<T>, bool) {
    let (mut page, mut bytes) = (Vec::new(), 0);
    for item in items {
        bytes += bytes_of(&item);
        if page.len() == most || bytes > PAGE_BYTES && !page.is_empty() {
            return (page, true);
        }
        page.push(item);
    }
    (page, false)
}

/// The bytes of something as JSON.
pub fn bytes_of(item: &impl Serialize) -> usize {
    serde_json::to_vec(item).map_or(0, |bytes| bytes.len())
}

/// A text that fits a field.
pub fn field(text: &str) -> String {
    if text.len() <= FIELD_BYTES {
        return text.to_owned();
    }
    let mut end = FIELD_BYTES;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{} [{} more bytes]", &text[..end], text.len() - end)
}

/// A value that fits a field; a longer one becomes the beginning of its text.
pub fn value(value: serde_json::Value) -> serde_json::Value {
    let text = value.to_string();
    if text.len() <= FIELD_BYTES { value } else { field(&text).into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_by_count_or_by_bytes_and_is_never_empty() {
        assert_eq!(fill(0..10, 3), (vec![0, 1, 2], true));
        assert_eq!(fill(0..3, 3), (vec![0, 1, 2], false));
        let long = "x".repeat(PAGE_BYTES);
        assert_eq!(fill([long.clone(), long.clone()], 10), (vec![long], true));
        assert_eq!(fill(["a".repeat(PAGE_BYTES / 2), "b".repeat(PAGE_BYTES / 2)], 9).0.len(), 1);
        assert_eq!(fill(Vec::<u8>::new(), 3), (Vec::new(), false));
    }

    #[test]
    fn fields_are_cut_between_characters() {
        assert_eq!(field("short"), "short");
        let cut = field(&"ü".repeat(FIELD_BYTES));
        assert!(cut.ends_with(&format!("[{FIELD_BYTES} more bytes]")), "{cut}");
        assert_eq!(value(serde_json::json!({"a": 1})), serde_json::json!({"a": 1}));
        assert!(value(serde_json::json!(["x".repeat(FIELD_BYTES)])).is_string());
    }

    #[test]
    fn what_is_asked_for_is_kept_within_the_bounds() {
        assert_eq!((items(None), items(Some(0)), items(Some(u16::MAX))), (50, 1, 500));
        assert_eq!((text_bytes(None), text_bytes(Some(0)), text_bytes(Some(u32::MAX))), (16_384, 4, 65_536));
    }
}
