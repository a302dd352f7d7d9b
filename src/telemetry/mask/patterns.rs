//! The forms of a value: as it is, in base64, in hexadecimal digits, escaped for URLs, JSON and HTML. Without white space, for
//! that is no part of a match. Pure.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::alphabet::{self, Alphabet};
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

/// Longer values have no forms for the bits that a base64 digit shares with a neighbour: a few bits of so much tell nothing.
const EDGES_BYTES: usize = 128;
/// A line of a value of several lines is a form of its own from this length on.
const LINE_BYTES: usize = 16;

/// All forms of `value`.
pub(super) fn of(value: &str) -> BTreeSet<Vec<u8>> {
    let mut forms = BTreeSet::new();
    let mut add = |form: Vec<u8>| {
        let squeezed: Vec<u8> = form.into_iter().filter(|byte| !byte.is_ascii_whitespace()).collect();
        if squeezed.len() >= super::SHORTEST_BYTES {
            forms.insert(squeezed);
        }
    };
    let bytes = value.as_bytes();
    add(bytes.to_vec());
    let key_line = |line: &&str| line.len() >= LINE_BYTES && !line.starts_with("-----");
    if value.contains('\n') {
        value.lines().map(str::trim).filter(key_line).for_each(|line| add(line.as_bytes().to_vec()));
    }
    for alphabet in [&alphabet::STANDARD, &alphabet::URL_SAFE] {
        (0..3).for_each(|shift| base64(bytes, shift, alphabet).into_iter().for_each(&mut add));
    }
    add(bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect());
    add(bytes.iter().flat_map(|byte| format!("{byte:02X}").into_bytes()).collect());
    url(bytes).into_iter().for_each(&mut add);
    for escaped in json(value) {
        // An argument of a tool call is JSON within JSON.
        json(&escaped).into_iter().for_each(|twice| add(twice.into_bytes()));
        add(escaped.into_bytes());
    }
    html(value).into_iter().for_each(|escaped| add(escaped.into_bytes()));
    forms
}

/// The digits of `bytes` when `shift` bytes come before them in a group of three, whatever those are and whatever follows.
/// Then the same with a digit before or behind that other bytes have a part in.
fn base64(bytes: &[u8], shift: usize, alphabet: &Alphabet) -> Vec<Vec<u8>> {
    let digits = |before: u8, after: u8| {
        let mut all = vec![before; shift];
        all.extend_from_slice(bytes);
        all.extend([after; 2]);
        GeneralPurpose::new(alphabet, NO_PAD).encode(all).into_bytes()
    };
    let first = [0, 2, 3][shift];
    let behind = (shift + bytes.len()) * 8 / 6;
    let is_shared = !(shift + bytes.len()).is_multiple_of(3);
    let plain = digits(0, 0);
    let core = plain[first..behind].to_vec();
    let mut forms = vec![core];
    if is_shared {
        // As the very end: its last digit filled up with zeros, and padding.
        let padding = 3 - (shift + bytes.len()) % 3;
        forms.push([&plain[first..=behind], &b"=="[..padding]].concat());
    }
    if bytes.len() <= EDGES_BYTES {
        // A digit holds at most four bits of a neighbour: the first ones of what follows, the last ones of what comes before.
        for bits in 0..16 {
            if is_shared {
                forms.push(digits(0, bits << 4)[first..=behind].to_vec());
            }
            if shift > 0 {
                forms.push(digits(bits, 0)[first - 1..behind].to_vec());
            }
        }
    }
    forms
}

fn url(bytes: &[u8]) -> Vec<Vec<u8>> {
    // Unreserved characters of RFC 3986, then those that encodeURIComponent, forms, encodeURI and Python's quote leave alone.
    const KEPT: [&str; 5] = ["-_.~", "-_.!~*'()", "*-._", ";,/?:@&=+$-_.!~*'()#", "-_.~/"];
    let escaped = |kept: &str, upper: bool, space: Option<u8>| -> Vec<u8> {
        let one = |byte: &u8| match byte {
            b' ' if space.is_some() => space.into_iter().collect(),
            byte if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(byte) => vec![*byte],
            byte if upper => format!("%{byte:02X}").into_bytes(),
            byte => format!("%{byte:02x}").into_bytes(),
        };
        bytes.iter().flat_map(one).collect()
    };
    let every = |upper: bool| -> Vec<u8> {
        let one = |byte: &u8| if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") };
        bytes.iter().flat_map(|byte| one(byte).into_bytes()).collect()
    };
    let kept = KEPT.iter().flat_map(|kept| {
        [
            escaped(kept, true, None),
            escaped(kept, false, None),
            escaped(kept, true, Some(b'+')),
            escaped(kept, false, Some(b'+')),
        ]
    });
    kept.chain([every(true), every(false)]).collect()
}

/// As serde writes it, with `/` escaped, and with everything beyond ASCII escaped, in both cases.
fn json(value: &str) -> Vec<String> {
    let quoted = serde_json::Value::from(value).to_string();
    let plain = quoted[1..quoted.len() - 1].to_owned();
    let ascii = |upper: bool| -> String {
        let one = |c: char| -> String {
            if c.is_ascii() {
                return c.to_string();
            }
            let mut units = [0; 2];
            let units = c.encode_utf16(&mut units).iter();
            units.map(|unit| if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") }).collect()
        };
        plain.chars().map(one).collect()
    };
    vec![plain.replace('/', "\\/"), ascii(true), ascii(false), plain]
}

fn html(value: &str) -> Vec<String> {
    let basic = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let quotes = |quote: &str, apostrophe: &str| basic.replace('"', quote).replace('\'', apostrophe);
    vec![quotes("&quot;", "&#39;"), quotes("&quot;", "&#x27;"), quotes("&#34;", "&#39;"), basic]
}
