//! Scalars and what the YAML 1.2 core schema (section 10.3) makes of a plain one.
//! `yes`, `no`, `on` and `off` are text, as 1.2 has it; octal is `0o17`, hexadecimal `0xff`.

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes: the only style that can be anything but text.
    Plain,
    /// In single quotes.
    Single,
    /// In double quotes, with escapes.
    Double,
    /// A block: `|` or `>`.
    Block,
}

/// A scalar: its text and how it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalar {
    /// The text, escapes and folding done.
    pub text: String,
    /// How it was written.
    pub style: Style,
}

/// What a scalar means.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolved<'a> {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number; never infinite nor NaN.
    Float(f64),
    /// Text.
    Text(&'a str),
}

impl Scalar {
    /// What it means in the core schema.
    pub fn resolve(&self) -> Resolved<'_> {
        let text = self.text.as_str();
        if self.style != Style::Plain {
            return Resolved::Text(text);
        }
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Resolved::Null,
            "true" | "True" | "TRUE" => return Resolved::Bool(true),
            "false" | "False" | "FALSE" => return Resolved::Bool(false),
            _ => {}
        }
        if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) {
            return Resolved::Text(text);
        }
        match integer(text) {
            Some(number) => Resolved::Int(number),
            None => float(text).map_or(Resolved::Text(text), Resolved::Float),
        }
    }

    /// What it is, for messages, cut when long.
    pub fn describe(&self) -> String {
        let short: String = self.text.chars().take(40).collect();
        let cut = if short.len() < self.text.len() { "…" } else { "" };
        match self.resolve() {
            Resolved::Null => "nothing".to_owned(),
            Resolved::Bool(value) => format!("the boolean `{value}`"),
            Resolved::Int(_) | Resolved::Float(_) => format!("the number `{short}{cut}`"),
            Resolved::Text(_) => format!("the text {short:?}{cut}"),
        }
    }

    /// The same value as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        match self.resolve() {
            Resolved::Null => serde_json::Value::Null,
            Resolved::Bool(value) => value.into(),
            Resolved::Int(value) => value.into(),
            Resolved::Float(value) => value.into(),
            Resolved::Text(text) => text.into(),
        }
    }
}

fn integer(text: &str) -> Option<i64> {
    if let Some(digits) = text.strip_prefix("0x") {
        return unsigned(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return unsigned(digits, 8);
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) { None } else { text.parse().ok() }
}

fn unsigned(digits: &str, radix: u32) -> Option<i64> {
    if digits.starts_with(['+', '-']) { None } else { i64::from_str_radix(digits, radix).ok() }
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`; infinities and NaN stay text, JSON has neither.
fn float(text: &str) -> Option<f64> {
    let digits_only = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    let has_digit = text.trim_start_matches(['+', '-', '.']).starts_with(|c: char| c.is_ascii_digit());
    if !digits_only || !has_digit {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.is_finite())
}
