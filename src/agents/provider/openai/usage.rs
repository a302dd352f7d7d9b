//! A provider's count of tokens in our convention: cached tokens inside the input, reasoning inside the output.
//!
//! OpenAI counts both inside; Anthropic's own field names mean that cached tokens stand beside the input; Google and xAI leave
//! reasoning out of the completion and show it only in the total; DeepSeek has names of its own for the cache.

use serde_json::Value;

use crate::agents::prices::usd_micros;
use crate::domain::chat::Usage;

/// Reads a `usage` object; `None` when it counts nothing. The cost is left at 0.
pub(super) fn read(counted: &Value) -> Option<Usage> {
    let number = |path: &str| counted.pointer(path).and_then(Value::as_u64);
    let (input_tokens, cached) = match number("/prompt_tokens") {
        Some(prompt) => {
            let cached = number("/prompt_tokens_details/cached_tokens").or_else(|| number("/prompt_cache_hit_tokens"));
            (prompt, cached.unwrap_or(0))
        }
        None => {
            let (read, written) = (number("/cache_read_input_tokens"), number("/cache_creation_input_tokens"));
            let beside = read.unwrap_or(0).saturating_add(written.unwrap_or(0));
            (number("/input_tokens")?.saturating_add(beside), read.unwrap_or(0))
        }
    };
    let completion = number("/completion_tokens").or_else(|| number("/output_tokens")).unwrap_or(0);
    let told = number("/completion_tokens_details/reasoning_tokens").unwrap_or(0);
    let total = number("/total_tokens").unwrap_or(0);
    let unshown = total.saturating_sub(input_tokens.saturating_add(completion));
    let output_tokens = completion.saturating_add(unshown);
    let reasoning_tokens = told.max(unshown).min(output_tokens);
    Some(Usage {
        input_tokens,
        cached_tokens: cached.min(input_tokens),
        output_tokens,
        reasoning_tokens,
        ..Usage::default()
    })
}

/// What OpenRouter says that a call cost (`cost`, in dollars), in millionths.
pub(super) fn billed(counted: &Value) -> Option<u64> {
    counted.get("cost").and_then(Value::as_f64).and_then(|usd| usd_micros(usd).ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn counts(counted: Value) -> Option<[u64; 4]> {
        read(&counted)
            .map(|usage| [usage.input_tokens, usage.cached_tokens, usage.output_tokens, usage.reasoning_tokens])
    }

    #[test]
    fn every_convention_becomes_ours() {
        let openai = json!({"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 80}, "completion_tokens_details": {"reasoning_tokens": 30}});
        assert_eq!(counts(openai), Some([100, 80, 50, 30]));
        let anthropic = json!({"input_tokens": 10, "cache_read_input_tokens": 80, "cache_creation_input_tokens": 5,
            "output_tokens": 7});
        assert_eq!(counts(anthropic), Some([95, 80, 7, 0]));
        let google = json!({"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 170});
        assert_eq!(counts(google), Some([100, 0, 70, 20]));
        let xai = json!({"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 170,
            "completion_tokens_details": {"reasoning_tokens": 20}});
        assert_eq!(counts(xai), Some([100, 0, 70, 20]));
        let deepseek = json!({"prompt_tokens": 100, "prompt_cache_hit_tokens": 64, "completion_tokens": 5});
        assert_eq!(counts(deepseek), Some([100, 64, 5, 0]));
        assert_eq!(counts(json!({})), None);
        assert_eq!(counts(Value::Null), None);
    }

    #[test]
    fn nonsense_stays_within_its_bounds() {
        let counted = json!({"prompt_tokens": 10, "completion_tokens": u64::MAX, "total_tokens": u64::MAX,
            "prompt_tokens_details": {"cached_tokens": 99}, "completion_tokens_details": {"reasoning_tokens": 5}});
        assert_eq!(counts(counted), Some([10, 10, u64::MAX, 5]));
        assert_eq!(counts(json!({"prompt_tokens": -3, "completion_tokens": 1})), None);
    }

    #[test]
    fn what_was_billed_is_exact() {
        assert_eq!(billed(&json!({"cost": 0.000123})), Some(123));
        assert_eq!(billed(&json!({"cost": 0.0000001})), Some(1));
        assert_eq!(billed(&json!({"cost": 0})), Some(0));
        assert_eq!(billed(&json!({"cost": -1})), None);
        assert_eq!(billed(&json!({"cost": "1"})), None);
    }
}
