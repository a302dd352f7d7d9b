//! Providers that speak OpenAI's protocol and how they differ: where they are, what their key is called, what they call things.

/// What a provider calls the limit of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputLimit {
    /// `max_tokens`, the old name that nearly all know.
    MaxTokens,
    /// `max_completion_tokens`: OpenAI's reasoning models refuse the old name.
    MaxCompletionTokens,
}

/// How a provider takes the wish for a structured answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// `json_schema`.
    JsonSchema,
    /// Only `json_object`; the schema then stands in the prompt.
    JsonObject,
}

/// Where servers differ from one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quirks {
    /// The name of the output limit.
    pub output_limit: OutputLimit,
    /// Structured answers.
    pub answers: Answers,
    /// It counts tokens in a stream only when asked to (`stream_options`).
    pub counts_on_request: bool,
    /// The model refuses a temperature of one's own; it is left out.
    pub fixed_temperature: bool,
}

impl Default for Quirks {
    /// What a server of unknown make most likely takes.
    fn default() -> Self {
        Self {
            output_limit: OutputLimit::MaxTokens,
            answers: Answers::JsonSchema,
            counts_on_request: true,
            fixed_temperature: false,
        }
    }
}

/// A provider that is known by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Its name, also in the price table.
    pub name: &'static str,
    /// Where it is.
    pub base_url: &'static str,
    /// The variable of its key; `None`: it needs none.
    pub key_env: Option<&'static str>,
    /// How it differs.
    pub quirks: Quirks,
}

const USUAL: Quirks = Quirks {
    output_limit: OutputLimit::MaxTokens,
    answers: Answers::JsonSchema,
    counts_on_request: true,
    fixed_temperature: false,
};

/// All of them.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "openai",
        base_url: "https://api.openai.com/v1",
        key_env: Some("OPENAI_API_KEY"),
        quirks: Quirks { output_limit: OutputLimit::MaxCompletionTokens, ..USUAL },
    },
    Preset {
        name: "anthropic",
        base_url: "https://api.anthropic.com/v1",
        key_env: Some("ANTHROPIC_API_KEY"),
        quirks: USUAL,
    },
    Preset {
        name: "google",
        base_url: "https://generativelanguage.googleapis.com/v1beta/openai",
        key_env: Some("GEMINI_API_KEY"),
        quirks: USUAL,
    },
    Preset {
        name: "groq",
        base_url: "https://api.groq.com/openai/v1",
        key_env: Some("GROQ_API_KEY"),
        quirks: Quirks { output_limit: OutputLimit::MaxCompletionTokens, ..USUAL },
    },
    Preset {
        name: "openrouter",
        base_url: "https://openrouter.ai/api/v1",
        key_env: Some("OPENROUTER_API_KEY"),
        quirks: USUAL,
    },
    Preset {
        name: "deepseek",
        base_url: "https://api.deepseek.com",
        key_env: Some("DEEPSEEK_API_KEY"),
        quirks: Quirks { answers: Answers::JsonObject, ..USUAL },
    },
    Preset {
        name: "mistral",
        base_url: "https://api.mistral.ai/v1",
        key_env: Some("MISTRAL_API_KEY"),
        // It counts in every stream and refuses fields that it does not know.
        quirks: Quirks { counts_on_request: false, ..USUAL },
    },
    Preset { name: "ollama", base_url: "http://localhost:11434/v1", key_env: None, quirks: USUAL },
    Preset { name: "vllm", base_url: "http://localhost:8000/v1", key_env: None, quirks: USUAL },
];

/// The preset of this name.
pub fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_well_formed() {
        for preset in PRESETS {
            assert!(preset.base_url.starts_with("http") && !preset.base_url.ends_with('/'), "{}", preset.name);
            let local = preset.base_url.starts_with("http://localhost:");
            assert_eq!(preset.key_env.is_none(), local, "{}", preset.name);
        }
        assert_eq!(preset("google").unwrap().key_env, Some("GEMINI_API_KEY"));
        assert_eq!(preset("nobody"), None);
    }
}
