//! Keys that are known by their shape.

use super::{SecretKind, entropy_bits, is_placeholder};

/// The beginning of a key, how long what follows is at least, and at most.
struct Shape {
    kind: SecretKind,
    start: &'static str,
    rest: (usize, usize),
}

const fn shape(kind: SecretKind, start: &'static str, least: usize, most: usize) -> Shape {
    Shape { kind, start, rest: (least, most) }
}

/// Longer beginnings stand before shorter ones of which they are cases. Sources: the providers' documents on key formats.
const SHAPES: &[Shape] = &[
    shape(SecretKind::Aws, "AKIA", 16, 16),
    shape(SecretKind::Aws, "ASIA", 16, 16),
    shape(SecretKind::GitHub, "github_pat_", 60, 100),
    shape(SecretKind::GitHub, "ghp_", 36, 255),
    shape(SecretKind::GitHub, "gho_", 36, 255),
    shape(SecretKind::GitHub, "ghu_", 36, 255),
    shape(SecretKind::GitHub, "ghs_", 36, 255),
    shape(SecretKind::GitHub, "ghr_", 36, 255),
    shape(SecretKind::GitLab, "glpat-", 20, 64),
    shape(SecretKind::Anthropic, "sk-ant-", 32, 255),
    shape(SecretKind::OpenRouter, "sk-or-v1-", 32, 128),
    shape(SecretKind::OpenAi, "sk-", 32, 255),
    shape(SecretKind::Groq, "gsk_", 40, 80),
    shape(SecretKind::Google, "AIza", 35, 35),
    shape(SecretKind::Google, "GOCSPX-", 24, 40),
    shape(SecretKind::Slack, "xoxb-", 20, 255),
    shape(SecretKind::Slack, "xoxp-", 20, 255),
    shape(SecretKind::Slack, "xoxa-", 20, 255),
    shape(SecretKind::Slack, "xoxr-", 20, 255),
    shape(SecretKind::Slack, "xoxs-", 20, 255),
    shape(SecretKind::Slack, "xapp-", 20, 255),
    shape(SecretKind::Stripe, "sk_live_", 20, 255),
    shape(SecretKind::Stripe, "rk_live_", 20, 255),
    shape(SecretKind::Npm, "npm_", 36, 36),
    shape(SecretKind::HuggingFace, "hf_", 34, 40),
];

/// Below it, what follows a known beginning was typed and not drawn: `ghp_aaaa…`.
const LEAST_ENTROPY_BITS: f64 = 2.8;

/// Shortest password in a URL that is told, and its least entropy.
const URL_PASSWORD: (usize, f64) = (10, 2.8);

/// Longest part of a URL before its `@` that is looked at; bounds the time of a line of many `://`.
const URL_USER_BYTES: usize = 256;

/// Adds the keys of `line`, without what is secret about them.
pub(super) fn find(line: &str, found: &mut Vec<(SecretKind, String)>) {
    let mut dotted: Vec<&str> = Vec::new();
    let mut end_of_last = usize::MAX;
    for (at, word) in words(line) {
        // Three words with a dot between each are a JSON web token.
        if !(end_of_last < at && &line[end_of_last..at] == ".") {
            dotted.clear();
        }
        dotted.push(word);
        end_of_last = at + word.len();
        if let [.., head, body, _] = dotted.as_slice()
            && is_jwt(head, body, word)
        {
            found.push((SecretKind::Jwt, shown(head)));
        } else if let Some(kind) = known(word) {
            found.push((kind, shown(word)));
        }
    }
    if line.contains("://") {
        url_passwords(line, found);
    }
}

/// Runs of letters, digits, `_` and `-`, with where they begin. What follows a backslash is none: `"\nAKIA…"`.
fn words(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let bytes = line.as_bytes();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() && !is_word(bytes[at]) {
            at += if bytes[at] == b'\\' { 2 } else { 1 };
        }
        let start = at;
        while at < bytes.len() && is_word(bytes[at]) {
            at += 1;
        }
        // After a backslash the second byte may be the first of a longer character.
        line.get(start..at).filter(|word| !word.is_empty()).map(|word| (start, word))
    })
}

fn known(word: &str) -> Option<SecretKind> {
    let (shape, rest) = SHAPES.iter().find_map(|shape| Some((shape, word.strip_prefix(shape.start)?)))?;
    let (least, most) = shape.rest;
    let is_long = (least..=most).contains(&rest.len());
    let has_digit = rest.bytes().any(|byte| byte.is_ascii_digit());
    let has_letter = rest.bytes().any(|byte| byte.is_ascii_alphabetic());
    let is_upper = shape.kind != SecretKind::Aws || rest.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let is_random = entropy_bits(rest) >= LEAST_ENTROPY_BITS && !is_placeholder(rest);
    (is_long && has_digit && has_letter && is_upper && is_random).then_some(shape.kind)
}

/// `{"` in base64 is `eyJ`; a header of `{"alg":…}` has at least 20 characters.
fn is_jwt(head: &str, body: &str, signature: &str) -> bool {
    head.starts_with("eyJ") && body.starts_with("eyJ") && head.len() >= 17 && body.len() >= 10 && signature.len() >= 20
}

/// `scheme://user:password@host`.
fn url_passwords(line: &str, found: &mut Vec<(SecretKind, String)>) {
    for (at, _) in line.match_indices("://") {
        let rest = &line.as_bytes()[at + 3..];
        let rest = &rest[..rest.len().min(URL_USER_BYTES)];
        let is_end = |byte: &u8| byte.is_ascii_whitespace() || b"/\"'`<>?#".contains(byte);
        let authority = &rest[..rest.iter().position(is_end).unwrap_or(rest.len())];
        let Ok(authority) = std::str::from_utf8(authority) else { continue };
        let Some((user, _)) = authority.rsplit_once('@') else { continue };
        let Some((name, password)) = user.split_once(':') else { continue };
        let (least, least_entropy) = URL_PASSWORD;
        let is_random = password.len() >= least && entropy_bits(password) >= least_entropy;
        let is_mixed =
            password.bytes().any(|b| b.is_ascii_digit()) && password.bytes().any(|b| b.is_ascii_alphabetic());
        if is_random && is_mixed && !is_placeholder(password) && !password.contains(['{', '}', '$']) {
            found.push((SecretKind::Url, format!("://{name}:… ({} characters)", password.chars().count())));
        }
    }
}

/// What a line tells of a private key.
pub(super) enum PrivateKey {
    /// Nothing.
    None,
    /// Its header; the key may follow.
    Header,
    /// Header and key in one string.
    Whole,
}

pub(super) fn private_key(line: &str) -> PrivateKey {
    let Some((_, rest)) = line.split_once("-----BEGIN ") else { return PrivateKey::None };
    let Some((name, rest)) = rest.split_once("-----") else { return PrivateKey::None };
    if !name.ends_with("PRIVATE KEY") {
        return PrivateKey::None;
    }
    let rest = rest.trim_start_matches("\\r").trim_start_matches("\\n");
    if is_key_material(rest) { PrivateKey::Whole } else { PrivateKey::Header }
}

/// Whether `text` begins with a line of base64 as long as the lines of such files are. The header fields of an encrypted key
/// (`Proc-Type: …`) count too.
pub(super) fn is_key_material(text: &str) -> bool {
    const LEAST: usize = 32;
    let text = text.trim_start_matches(['"', '\'', '+', ' ']);
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    let run = &text[..text.bytes().take_while(|byte| is_base64(*byte)).count()];
    text.starts_with("Proc-Type:") || (run.len() >= LEAST && entropy_bits(run) >= LEAST_ENTROPY_BITS)
}

/// The first four characters of a key, which only tell whose it is, and its length.
fn shown(secret: &str) -> String {
    let start: String = secret.chars().take(4).collect();
    format!("{start}… ({} characters)", secret.chars().count())
}
