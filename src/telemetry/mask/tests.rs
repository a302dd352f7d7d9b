//! Every form of a value, every place at which a stream can be cut.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;

const VALUE: &str = "hunter2/?&\"ü'<hunter>";

fn masker() -> Masker {
    static MADE: std::sync::LazyLock<Masker> = std::sync::LazyLock::new(|| Masker::new([("A", VALUE)]));
    MADE.clone()
}

fn masked(text: &str) -> String {
    masker().text(text.to_owned())
}

fn hex(bytes: &[u8], upper: bool) -> String {
    bytes.iter().map(|byte| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") }).collect()
}

/// Lines of so many characters.
fn wrapped(text: &str, width: usize) -> String {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(width).map(|line| line.iter().collect::<String>() + "\n").collect()
}

#[test]
fn nothing_known_changes_nothing() {
    let none = Masker::new([("A", "short")]);
    assert!(none.is_empty() && none.longest() == 0);
    assert!(matches!(none.bytes(VALUE.as_bytes()), Cow::Borrowed(_)));
    assert!(matches!(masker().bytes(b"nothing secret here"), Cow::Borrowed(_)));
}

#[test]
fn one_byte_below_the_bound_is_no_secret_and_one_above_the_other_neither() {
    assert!(is_maskable("12345678") && !is_maskable("1234567") && !is_maskable("1 2 3 4 5 6 7"));
    assert!(is_maskable(&"x".repeat(LONGEST_BYTES)) && !is_maskable(&"x".repeat(LONGEST_BYTES + 1)));
}

#[test]
fn plain_and_escaped() {
    assert_eq!(masked(&format!("a {VALUE} b")), "a [secret] b");
    let json = serde_json::to_string(&[VALUE]).unwrap();
    assert_eq!(masked(&json), "[\"[secret]\"]");
    assert_eq!(masked(&serde_json::to_string(&json).unwrap()), "\"[\\\"[secret]\\\"]\"");
    for form in [
        "hunter2%2F%3F%26%22%C3%BC%27%3Chunter%3E",
        "hunter2%2f%3f%26%22%c3%bc%27%3chunter%3e",
        "hunter2%2F%3F%26%22%C3%BC'%3Chunter%3E",
        "hunter2/%3F%26%22%C3%BC%27%3Chunter%3E",
        "hunter2/?&%22%C3%BC'%3Chunter%3E",
        "hunter2/?&amp;&quot;ü&#39;&lt;hunter&gt;",
        "hunter2\\/?&\\\"ü'<hunter>",
        "hunter2/?&\\\"\\u00fc'<hunter>",
        "hunter2/?&\\\"\\u00FC'<hunter>",
    ] {
        assert_eq!(masked(&format!("<{form}>")), "<[secret]>", "{form}");
    }
    assert_eq!(masked(&hex(VALUE.as_bytes(), false)), SHOWN);
    assert_eq!(masked(&hex(VALUE.as_bytes(), true)), SHOWN);
    let every: String = VALUE.bytes().map(|byte| format!("%{byte:02x}")).collect();
    assert_eq!(masked(&every), SHOWN);
}

#[test]
fn base64_at_every_alignment_with_and_without_padding() {
    for length in 8..12 {
        let value = &"correcthorsebattery"[..length];
        let masker = Masker::new([("A", value)]);
        for (before, after) in (0..4).flat_map(|before| (0..4).map(move |after| (before, after))) {
            let text = [&"\u{1}\u{7f}\u{2}"[..before.min(3)], value, &"\u{3}~\u{1}"[..after.min(3)]].concat();
            for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
                let encoded = engine.encode(&text);
                let shown = masker.text(encoded.clone());
                let rest = shown.replace(SHOWN, "");
                assert!(shown.contains(SHOWN), "{value} in {encoded}");
                // Of the digits, only those of the bytes beside it are left.
                assert!(rest.trim_end_matches('=').len() <= before + before.div_ceil(3) + after + after.div_ceil(3));
                if before == 0 && after == 0 {
                    assert_eq!(rest, "", "{encoded}");
                }
            }
        }
    }
}

#[test]
fn wrapped_into_lines_and_columns() {
    let text = format!("{}{VALUE}{}", "x".repeat(50), "y".repeat(50));
    for width in [4, 16, 60, 64, 76] {
        for form in [STANDARD.encode(&text), hex(text.as_bytes(), false), text.clone()] {
            let shown = masked(&wrapped(&form, width));
            assert!(shown.contains(SHOWN), "{width}: {shown}");
        }
    }
    let far = format!("hunter2/?{}&\"ü'<hunter>", " ".repeat(GAP_BYTES + 1));
    assert_eq!(masked(&far), far, "that is no wrapping of lines");
}

#[test]
fn a_line_of_a_key_is_a_secret_too() {
    let key =
        "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqG\nSM49AwEHBG0wawIBAQQg\n-----END PRIVATE KEY-----";
    let masker = Masker::new([("KEY", key)]);
    assert_eq!(masker.text(format!("x{key}y")), "x[secret]y");
    assert_eq!(masker.text(format!("> {}", key.replace('\n', "\\n"))), "> [secret]");
    assert_eq!(masker.text("  SM49AwEHBG0wawIBAQQg!".to_owned()), "  [secret]!");
    assert_eq!(masker.text("-----BEGIN PRIVATE KEY-----".to_owned()), "-----BEGIN PRIVATE KEY-----");
}

#[test]
fn json_stays_json() {
    let masker = Masker::new([("A", "12345678"), ("B", "\":1,\"b\":")]);
    assert_eq!(
        &*masker.json(br#"{"a":12345678,"12345678":["x12345678"]}"#),
        br#"{"a":"[secret]","[secret]":["x[secret]"]}"#
    );
    // What only looks like a value because of the punctuation between two others is none.
    assert_eq!(&*masker.json(br#"{"a":1,"b":2}"#), br#"{"a":1,"b":2}"#);
    assert_eq!(&*masker.json(b"no json 12345678"), b"no json [secret]");
    let mut value = serde_json::json!({"a": [1, "x"]});
    assert!(!masker.value(&mut value));
}

#[test]
fn who_was_found_is_told_by_name() {
    let masker = Masker::new([("A", "first-secret"), ("B", "second-secret")]);
    let text = format!("{} second-secret {}", "first-secret", "x".repeat(3 * PIECE_BYTES) + "first-secret");
    let names: Vec<String> = masker.names_in(text.as_bytes()).iter().map(|name| name.to_string()).collect();
    assert_eq!(names, ["A", "B"]);
    let places: Vec<usize> = masker.find(text.as_bytes()).iter().map(|hit| hit.span.start).collect();
    assert_eq!(places, [0, 13, text.len() - 12]);
}

#[test]
fn overlapping_values_are_one_place_however_the_stream_is_cut() {
    let masker = Masker::new([("A", "abcabcab"), ("B", "bcabcabcab--tail")]);
    let text = "abcabcabcabcab--tail abcabcabcab- aabcabcab";
    let whole = masker.text(text.to_owned());
    assert_eq!(whole, "[secret] [secret]- a[secret]");
    for first in 0..text.len() {
        for second in first..text.len() {
            let mut out = Vec::new();
            let mut stream = Stream::new(masker.clone());
            for piece in [&text[..first], &text[first..second], &text[second..]] {
                stream.push(piece.as_bytes(), &mut out);
            }
            stream.finish(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), whole, "cut at {first} and {second}");
        }
    }
}

#[test]
fn a_repetition_without_end_is_not_held_back_without_end() {
    let masker = Masker::new([("A", "aaaaaaaa")]);
    let mut stream = Stream::new(masker.clone());
    let mut out = Vec::new();
    for _ in 0..10_000 {
        stream.push(b"aaa", &mut out);
        assert!(stream.held_bytes() < masker.longest() + 3);
    }
    stream.finish(&mut out);
    assert_eq!(String::from_utf8(out).unwrap(), SHOWN);
}

#[test]
fn masks_grow_and_forget_nothing() {
    let masks = Masks::default();
    assert!(masks.now().is_empty());
    masks.learn([("A", "first-secret"), ("S", "short")]);
    let old = masks.now();
    masks.clone().learn([("A", "rotated-secret")]);
    assert_eq!(masks.now().text("first-secret rotated-secret short".to_owned()), "[secret] [secret] short");
    assert_eq!(old.text("rotated-secret".to_owned()), "rotated-secret");
    assert!(!format!("{masks:?} {old:?}").contains("first"));
}

/// Some form of some value, or text without one.
fn part() -> impl Strategy<Value = String> {
    let form = (0..6_usize).prop_map(|form| match form {
        0 => VALUE.to_owned(),
        1 => STANDARD.encode(VALUE),
        2 => wrapped(&STANDARD.encode(format!("x{VALUE}")), 11),
        3 => hex(VALUE.as_bytes(), true),
        4 => serde_json::to_string(VALUE).unwrap(),
        _ => VALUE[..9].to_owned(),
    });
    prop_oneof![form, "[a-z0-9 \n/]{0,20}", "[ \n]{0,80}"]
}

proptest! {
    #[test]
    fn a_stream_says_the_same_however_it_is_cut(
        parts in proptest::collection::vec(part(), 0..8),
        cuts in proptest::collection::vec(0.0..1.0_f64, 0..12),
    ) {
        let text = parts.concat();
        let masker = masker();
        let whole = masker.bytes(text.as_bytes()).into_owned();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| (cut * text.len() as f64) as usize).collect();
        cuts.sort_unstable();
        cuts.push(text.len());
        let (mut out, mut from) = (Vec::new(), 0);
        let mut stream = Stream::new(masker.clone());
        for cut in cuts {
            stream.push(&text.as_bytes()[from..cut], &mut out);
            from = cut;
        }
        stream.finish(&mut out);
        prop_assert_eq!(&out, &whole);
        prop_assert!(masker.find(&out).is_empty(), "{}", String::from_utf8_lossy(&out));
        prop_assert!(!String::from_utf8_lossy(&out).contains(VALUE));
    }
}
