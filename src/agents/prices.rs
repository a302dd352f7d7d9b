//! What models cost, in exact integers: a table that ships with the binary, a user's file over it.
//!
//! Prices are kept as millionths of a dollar per million tokens, so that the cost of a call is a division at the very end;
//! it is rounded up. Reservations are upper bounds. A model that is not in the table has no price, never the price 0.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::domain::budget::Amounts;
use crate::domain::chat::{ModelRequest, Usage};
use crate::domain::failure::{Failure, FailureClass};

/// The table that ships with the binary.
const SHIPPED: &str = include_str!("prices.toml");
/// Least bytes of a prompt per token. English text has about four, code three; few texts have less than two.
const LEAST_BYTES_PER_TOKEN: u64 = 2;
/// Usual bytes per token, for what a provider did not count.
const USUAL_BYTES_PER_TOKEN: u64 = 3;
/// Tokens that providers add around each message and each tool.
const TOKENS_AROUND: u64 = 16;
/// Sells other providers' models, `openrouter/anthropic/claude-x`, at their prices.
const RESELLER: &str = "openrouter";
/// Prices are per this many tokens.
const PER_TOKENS: u128 = 1_000_000;

/// What is wrong with a table of prices.
#[derive(Debug, thiserror::Error)]
pub enum PricesError {
    /// It is not TOML of the expected form.
    #[error("the price table {origin} cannot be read: {problem}")]
    Malformed {
        /// The file.
        origin: String,
        /// What and where.
        problem: String,
    },
    /// A price is negative or not a number.
    #[error("the price table {origin} has a price of {price} for {model}")]
    NotAPrice {
        /// The file.
        origin: String,
        /// The model.
        model: String,
        /// The price as it stands there.
        price: f64,
    },
}

/// What a model costs, in millionths of a dollar per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Rates {
    input: u64,
    /// Input that is put into the cache. No provider counts it in this protocol, so all that was not read from it is taken for
    /// written: a bound, not a guess.
    cache_write: u64,
    cached: u64,
    output: u64,
}

impl Rates {
    fn cost(self, usage: &Usage) -> u64 {
        let cached = usage.cached_tokens.min(usage.input_tokens);
        let parts = [
            (usage.input_tokens - cached, self.input.max(self.cache_write)),
            (cached, self.cached),
            (usage.output_tokens, self.output),
        ];
        let sum: u128 = parts.iter().map(|(tokens, rate)| u128::from(*tokens) * u128::from(*rate)).sum();
        u64::try_from(sum.div_ceil(PER_TOKENS)).unwrap_or(u64::MAX)
    }
}

/// What the table knows of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Model {
    rates: Rates,
    /// Above this many input tokens, these rates.
    long: Option<(u64, Rates)>,
    /// The context window in tokens, when it is known.
    pub context_tokens: Option<u64>,
    /// The longest reply in tokens, when it is known.
    pub max_output_tokens: Option<u64>,
    /// The model refuses a temperature of one's own.
    pub fixed_temperature: bool,
}

impl Model {
    fn rates(&self, input_tokens: u64) -> Rates {
        match self.long {
            Some((over, rates)) if input_tokens > over => rates,
            Some(_) | None => self.rates,
        }
    }

    /// The price of a million input and a million output tokens together: compares models, nothing else.
    pub fn rank(&self) -> u64 {
        self.rates.input.saturating_add(self.rates.output)
    }
}

/// How the calls of a configured provider are billed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Billing {
    /// They cost nothing: the model runs here, or there is none.
    Free,
    /// At the prices of this provider of the table.
    As(String),
}

/// A model whose price is not known, with what a call would use at most. Without a cap on money it may be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the price of {model} is not known; give it in a price file, or lift the cap on money")]
pub struct Unpriced {
    /// The model.
    pub model: String,
    /// Tokens at most; no money.
    pub amounts: Amounts,
}

impl Unpriced {
    /// What the call fails with under a cap on money.
    pub fn failure(&self) -> Failure {
        Failure::new(FailureClass::Budget, self.to_string())
    }
}

/// The prices that are in force.
#[derive(Debug, Clone, Default)]
pub struct Prices {
    as_of: String,
    models: BTreeMap<String, Model>,
    billing: BTreeMap<String, Billing>,
}

impl Prices {
    /// The table that ships with the binary.
    ///
    /// # Panics
    /// Never: a test reads it.
    pub fn shipped() -> Self {
        Self::default().with_table("prices.toml", SHIPPED).expect("the shipped table is read by a test")
    }

    /// This table with `text` over it; `origin` names it in messages.
    pub fn with_table(mut self, origin: &str, text: &str) -> Result<Self, PricesError> {
        let file: File = toml::from_str(text)
            .map_err(|error| PricesError::Malformed { origin: origin.to_owned(), problem: error.to_string() })?;
        for (name, entry) in file.models {
            let model = entry.model().map_err(|price| PricesError::NotAPrice {
                origin: origin.to_owned(),
                model: name.clone(),
                price,
            })?;
            self.models.insert(name, model);
        }
        if let Some(as_of) = file.as_of {
            self.as_of = as_of;
        }
        Ok(self)
    }

    /// Says how the provider configured as `name` is billed. Without it, it is the provider of that name of the table.
    pub fn bill(&mut self, name: impl Into<String>, billing: Billing) {
        self.billing.insert(name.into(), billing);
    }

    /// The day of the table, `YYYY-MM-DD`.
    pub fn as_of(&self) -> &str {
        &self.as_of
    }

    /// What is known of `model` (`provider/model`); a dated name (`…-2025-08-07`, `…-20250807`) is its undated one, unless
    /// the table has it.
    pub fn model(&self, model: &str) -> Option<Model> {
        let (provider, name) = model.split_once('/')?;
        let known = |key: &str| self.models.get(key).or_else(|| self.models.get(undated(key)?)).copied();
        // OpenRouter passes the price of the provider behind it on; it writes versions with a dot where Anthropic has none.
        let resold = |name: &str| known(name).or_else(|| known(&name.replace('.', "-")));
        match self.billing.get(provider) {
            Some(Billing::Free) => {
                Some(known(model).map_or(FREE, |model| Model { rates: FREE.rates, long: None, ..model }))
            }
            Some(Billing::As(seller)) if seller == RESELLER => known(model).or_else(|| resold(name)),
            Some(Billing::As(seller)) => known(model).or_else(|| known(&format!("{seller}/{name}"))),
            None if provider == RESELLER => known(model).or_else(|| resold(name)),
            None => known(model),
        }
    }

    /// What a call cost, in millionths of a dollar, rounded up; `None` when the price is not known.
    pub fn cost(&self, model: &str, usage: &Usage) -> Option<u64> {
        Some(self.model(model)?.rates(usage.input_tokens).cost(usage))
    }

    /// Most output tokens of `request`: what it asks for, or what the model can put out if that is less. Providers refuse more.
    pub fn output_limit(&self, request: &ModelRequest) -> u32 {
        let most = self.model(&request.model).and_then(|model| model.max_output_tokens).unwrap_or(u64::MAX);
        u32::try_from(most).map_or(request.max_output_tokens, |most| most.min(request.max_output_tokens))
    }

    /// What sending `request` may use at most.
    pub fn estimate(&self, request: &ModelRequest) -> Result<Amounts, Unpriced> {
        let model = self.model(&request.model);
        let pieces = request.messages.len() as u64 + request.tools.len() as u64 + 1;
        let counted = request_bytes(request).div_ceil(LEAST_BYTES_PER_TOKEN) + pieces * TOKENS_AROUND;
        let window = model.and_then(|model| model.context_tokens).unwrap_or(u64::MAX);
        let input_tokens = counted.min(window);
        let output_tokens = u64::from(self.output_limit(request));
        let tokens = input_tokens.saturating_add(output_tokens);
        let Some(model) = model else {
            let amounts = Amounts { tokens, ..Amounts::default() };
            return Err(Unpriced { model: request.model.clone(), amounts });
        };
        let usage = Usage { input_tokens, output_tokens, ..Usage::default() };
        let usd_micros = model.rates(input_tokens).cost(&usage);
        Ok(Amounts { calls: 0, tokens, usd_micros })
    }

    /// What making vectors of `texts` may use at most.
    pub fn estimate_texts(&self, model: &str, texts: &[String]) -> Result<Amounts, Unpriced> {
        let bytes: u64 = texts.iter().map(|text| text.len() as u64).sum();
        let tokens = bytes.div_ceil(LEAST_BYTES_PER_TOKEN) + texts.len() as u64 * TOKENS_AROUND;
        let usage = Usage { input_tokens: tokens, ..Usage::default() };
        match self.cost(model, &usage) {
            Some(usd_micros) => Ok(Amounts { calls: 0, tokens, usd_micros }),
            None => Err(Unpriced { model: model.to_owned(), amounts: Amounts { tokens, ..Amounts::default() } }),
        }
    }

    /// What making vectors of `texts` used, guessed: its provider does not say.
    pub fn guess_texts(&self, model: &str, texts: &[String]) -> Usage {
        let bytes: u64 = texts.iter().map(|text| text.len() as u64).sum();
        let input_tokens = bytes.div_ceil(USUAL_BYTES_PER_TOKEN);
        let mut usage = Usage { input_tokens, estimated: true, ..Usage::default() };
        usage.usd_micros = self.cost(model, &usage).unwrap_or(0);
        usage
    }

    /// What a call used, guessed from its request and from the bytes that came back.
    pub fn guess(&self, request: &ModelRequest, reply_bytes: usize) -> Usage {
        let output_tokens = (reply_bytes as u64).div_ceil(USUAL_BYTES_PER_TOKEN);
        let input_tokens = request_bytes(request).div_ceil(USUAL_BYTES_PER_TOKEN);
        let mut usage = Usage { input_tokens, output_tokens, estimated: true, ..Usage::default() };
        usage.usd_micros = self.cost(&request.model, &usage).unwrap_or(0);
        usage
    }
}

const FREE: Model = Model {
    rates: Rates { input: 0, cache_write: 0, cached: 0, output: 0 },
    long: None,
    context_tokens: None,
    max_output_tokens: None,
    fixed_temperature: false,
};

/// Bytes of the request's text as JSON: more than its tokens are made of, as escapes and names count too.
fn request_bytes(request: &ModelRequest) -> u64 {
    let mut counter = Counter(0);
    match serde_json::to_writer(&mut counter, request) {
        Ok(()) => counter.0,
        Err(_) => u64::MAX,
    }
}

/// Counts what is written.
struct Counter(u64);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The name without the date at its end.
fn undated(name: &str) -> Option<&str> {
    let dated = |suffix: &str, form: &str| {
        suffix.len() == form.len()
            && suffix
                .bytes()
                .zip(form.bytes())
                .all(|(byte, of)| if of == b'0' { byte.is_ascii_digit() } else { byte == of })
    };
    ["-0000-00-00", "-00000000"].iter().find_map(|form| {
        let (start, suffix) = name.split_at_checked(name.len().checked_sub(form.len())?)?;
        dated(suffix, form).then_some(start)
    })
}

/// The file's form: prices in dollars per million tokens.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    as_of: Option<String>,
    #[serde(default)]
    models: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    input: f64,
    cached: Option<f64>,
    cache_write: Option<f64>,
    output: f64,
    context: Option<u64>,
    max_output: Option<u64>,
    #[serde(default)]
    fixed_temperature: bool,
    long: Option<Long>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Long {
    over: u64,
    input: f64,
    cached: Option<f64>,
    cache_write: Option<f64>,
    output: f64,
}

impl Entry {
    fn model(&self) -> Result<Model, f64> {
        let rates = |input: f64, cached: Option<f64>, cache_write: Option<f64>, output: f64| -> Result<Rates, f64> {
            Ok(Rates {
                input: usd_micros(input)?,
                cache_write: usd_micros(cache_write.unwrap_or(input))?,
                cached: usd_micros(cached.unwrap_or(input))?,
                output: usd_micros(output)?,
            })
        };
        let long = match &self.long {
            Some(long) => Some((long.over, rates(long.input, long.cached, long.cache_write, long.output)?)),
            None => None,
        };
        Ok(Model {
            rates: rates(self.input, self.cached, self.cache_write, self.output)?,
            long,
            context_tokens: self.context,
            max_output_tokens: self.max_output,
            fixed_temperature: self.fixed_temperature,
        })
    }
}

/// Dollars as millionths, rounded up; the error of a decimal fraction in binary is not taken for a fraction of a millionth.
pub(super) fn usd_micros(usd: f64) -> Result<u64, f64> {
    let micros = usd * 1e6;
    if !micros.is_finite() || !(0.0..1e15).contains(&micros) {
        return Err(usd);
    }
    let near = micros.round();
    Ok(if (micros - near).abs() < 1e-4 { near } else { micros.ceil() } as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::chat::Message;

    fn usage(input_tokens: u64, cached_tokens: u64, output_tokens: u64) -> Usage {
        Usage { input_tokens, cached_tokens, output_tokens, ..Usage::default() }
    }

    fn request(model: &str, text: &str) -> ModelRequest {
        ModelRequest {
            model: model.to_owned(),
            messages: vec![Message::User { text: text.to_owned() }],
            tools: Vec::new(),
            answer: None,
            max_output_tokens: 1000,
            temperature: None,
        }
    }

    #[test]
    fn costs_are_exact_and_rounded_up() {
        let prices = Prices::shipped();
        // 100,000 × 0.25 + 900,000 × 0.025 + 10,000 × 2 dollars per million.
        assert_eq!(
            prices.cost("openai/gpt-5-mini", &usage(1_000_000, 900_000, 10_000)),
            Some(25_000 + 22_500 + 20_000)
        );
        assert_eq!(prices.cost("openai/gpt-5-mini", &usage(1, 0, 0)), Some(1), "0.25 millionths are one");
        assert_eq!(prices.cost("openai/gpt-5-mini-2025-08-07", &usage(4, 0, 0)), Some(1));
        assert_eq!(prices.cost("anthropic/claude-haiku-4-5-20251001", &usage(4, 0, 0)), Some(4));
        assert_eq!(prices.cost("openai/gpt-5-mini-fast", &usage(1, 0, 0)), None);
        assert_eq!(prices.cost("gpt-5-mini", &usage(1, 0, 0)), None);
        assert_eq!(prices.cost("openrouter/anthropic/claude-haiku-4.5", &usage(4, 0, 0)), Some(4));
        assert_eq!(prices.cost("openrouter/openai/gpt-5-mini", &usage(4, 0, 0)), Some(1));
        assert_eq!(prices.cost("openrouter/openai/gpt-5-mini:nitro", &usage(4, 0, 0)), None);
        assert_eq!(prices.cost("openai/gpt-5", &usage(u64::MAX, 0, u64::MAX)), Some(u64::MAX));
    }

    #[test]
    fn a_long_request_has_its_own_price_from_the_first_token_over() {
        let prices = Prices::shipped();
        let cost = |input| prices.cost("google/gemini-2.5-pro", &usage(input, 0, 0)).unwrap();
        assert_eq!(cost(200_000), 250_000);
        assert_eq!(cost(200_001), 500_003, "200,001 × 2.50, rounded up");
        let written = prices.cost("openai/gpt-6-sol", &usage(1_000, 400, 0));
        assert_eq!(written, Some(600 * 5 / 2 + 400 / 5), "what was not cached was put into the cache");
    }

    #[test]
    fn a_users_file_goes_over_the_table_and_a_provider_has_its_billing() {
        let text =
            "[models]\n\"openai/gpt-5\" = {input = 3, output = 4}\n\"house/x\" = {input = 0.000001, output = 0}\n";
        let mut prices = Prices::shipped().with_table("mine.toml", text).unwrap();
        assert_eq!(prices.cost("openai/gpt-5", &usage(1_000_000, 500_000, 0)), Some(3_000_000), "cached as input");
        assert_eq!(prices.cost("house/x", &usage(1_000_000, 0, 0)), Some(1));
        prices.bill("local", Billing::Free);
        prices.bill("second", Billing::As("openai".into()));
        assert_eq!(prices.cost("local/anything", &usage(9, 0, 9)), Some(0));
        assert_eq!(prices.cost("second/gpt-5-mini", &usage(4, 0, 0)), Some(1));
        assert_eq!(prices.cost("second/unknown", &usage(4, 0, 0)), None);
    }

    #[test]
    fn a_broken_table_is_refused_with_its_name() {
        for (text, wanted) in [
            ("models = 3", "mine.toml"),
            ("[models]\n\"a/b\" = {input = -1, output = 1}", "a price of -1 for a/b"),
            ("[models]\n\"a/b\" = {input = nan, output = 1}", "NaN"),
            ("[models]\n\"a/b\" = {input = 1, output = 1, colour = 2}", "colour"),
        ] {
            let error = Prices::default().with_table("mine.toml", text).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }

    #[test]
    fn a_reservation_is_an_upper_bound_and_an_unknown_price_is_typed() {
        let prices = Prices::shipped();
        let reserved = prices.estimate(&request("openai/gpt-5-mini", &"word ".repeat(1000))).unwrap();
        // 1000 words are 1000 tokens and a little; 5000 bytes may not be less than 2500.
        assert!((3_500..4_000).contains(&reserved.tokens), "{reserved:?}");
        assert!(reserved.usd_micros >= prices.cost("openai/gpt-5-mini", &usage(2_500, 0, 1000)).unwrap());
        let unpriced = prices.estimate(&request("house/unknown", "hello")).unwrap_err();
        assert!(unpriced.amounts.tokens > 1000 && unpriced.amounts.usd_micros == 0);
        assert_eq!(unpriced.failure().class, FailureClass::Budget);
        let whole = prices.estimate(&request("openai/gpt-4o", &"x".repeat(1_000_000))).unwrap();
        assert_eq!(whole.tokens, 128_000 + 1000, "no prompt is larger than the window");
        let long = ModelRequest { max_output_tokens: 99_999, ..request("openai/gpt-4o", &"x".repeat(1_000_000)) };
        assert_eq!(prices.estimate(&long).unwrap().tokens, 128_000 + 16_384, "no reply is longer than the model can");
    }

    #[test]
    fn every_shipped_model_makes_sense() {
        let prices = Prices::shipped();
        assert!(prices.models.len() >= 30 && prices.as_of().len() == 10);
        for (name, model) in &prices.models {
            assert!(name.contains('/'), "{name}");
            if name.contains("embed") {
                // Vectors are no tokens.
                assert!(model.rates.input > 0 && model.rates.output == 0 && model.context_tokens.is_some(), "{name}");
                continue;
            }
            assert!(model.rates.cached <= model.rates.input && model.rates.input <= model.rates.output, "{name}");
            let (context, output) = (model.context_tokens.unwrap(), model.max_output_tokens.unwrap());
            assert!(output <= context && output >= 4_096, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_cost_is_less_than_its_parts_or_more_than_one_above(a in 0u64..1_000_000, b in 0u64..1_000_000) {
            let prices = Prices::shipped();
            let cost = |input, output| prices.cost("openai/gpt-5.4-mini", &usage(input, 0, output)).unwrap();
            let (whole, parts) = (cost(a, b), cost(a, 0) + cost(0, b));
            prop_assert!(whole <= parts && parts <= whole + 1);
        }
    }
}
