//! Names to providers, and what is wrong with settings.

use super::*;
use crate::agents::provider::CallContext;
use crate::domain::chat::{Message, ModelRequest, Usage};
use crate::domain::time::Millis;

fn providers_with(settings: &[(&str, ProviderSettings)], keys: &[(&str, &str)]) -> Result<Providers, Failure> {
    let keys = keys.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let settings = settings.iter().map(|(name, settings)| ((*name).to_owned(), settings.clone())).collect();
    let clocks = Clocks { wall: Arc::new(|| Millis(0)), monotonic_ms: Arc::new(|| 0) };
    Providers::new(settings, Secrets::from_environment(&keys), Prices::shipped(), BTreeMap::new(), clocks)
}

fn at(base_url: &str) -> ProviderSettings {
    ProviderSettings { base_url: Some(base_url.into()), ..ProviderSettings::default() }
}

fn problem(result: Result<Arc<dyn Provider>, Failure>) -> (FailureClass, String) {
    let failure = result.map(|_| ()).unwrap_err();
    (failure.class, failure.message)
}

#[test]
fn the_part_before_the_first_slash_names_the_provider() {
    let providers = providers_with(&[("custom", at("http://127.0.0.1:1/v1"))], &[("OPENROUTER_API_KEY", "k")]).unwrap();
    for model in ["openrouter/anthropic/claude-x", "custom/a", "ollama/qwen3"] {
        assert!(providers.resolve(model).is_ok(), "{model}");
    }
    let again = |model| providers.resolve(model).unwrap();
    assert!(Arc::ptr_eq(&again("custom/a"), &again("custom/b")), "it is made once");
    for model in ["gpt-5", "/gpt-5", "openai/"] {
        assert!(problem(providers.resolve(model)).1.contains("PROVIDER/MODEL"), "{model}");
    }
    let (class, message) = problem(providers.resolve("opneai/gpt-5"));
    assert_eq!(class, FailureClass::ModelNotFound);
    assert!(message.contains("Did you mean `openai`?"), "{message}");
}

#[test]
fn a_missing_key_says_where_to_put_it() {
    let providers = providers_with(&[], &[]).unwrap();
    let (class, message) = problem(providers.resolve("anthropic/claude-x"));
    assert_eq!(class, FailureClass::Auth);
    assert!(message.contains("set ANTHROPIC_API_KEY"), "{message}");
    let header = ProviderSettings {
        headers: BTreeMap::from([("X-Key".into(), "$HOUSE_KEY".into())]),
        ..at("http://127.0.0.1:1/v1")
    };
    // A header that names a variable of the environment would let whoever wrote it read any of them.
    let providers = providers_with(&[("house", header)], &[("HOUSE_KEY", "of the environment")]).unwrap();
    let (class, message) = problem(providers.resolve("house/x"));
    assert_eq!(class, FailureClass::Auth);
    assert!(message.contains("HOUSE_KEY, which is not in the secrets file"), "{message}");
}

#[test]
fn the_key_of_a_preset_does_not_go_to_another_address() {
    let moved = ProviderSettings { like: Some("openai".into()), ..at("http://127.0.0.1:1/v1") };
    let providers = providers_with(&[("openai", at("http://127.0.0.1:1/v1")), ("second", moved)], &[]).unwrap();
    assert!(providers.resolve("openai/x").is_ok() && providers.resolve("second/x").is_ok(), "no key is asked for");
}

#[test]
fn what_is_local_is_free_and_what_is_like_another_costs_as_much() {
    let like = ProviderSettings { like: Some("openai".into()), ..at("http://127.0.0.1:1/v1") };
    let free = ProviderSettings { free: Some(true), ..at("http://127.0.0.1:1/v1") };
    let settings = [("second", like), ("house", free), ("custom", at("http://127.0.0.1:1/v1"))];
    let providers = providers_with(&settings, &[]).unwrap();
    let prices = providers.prices();
    let usage = Usage { input_tokens: 4, ..Usage::default() };
    let cost = |model| prices.cost(model, &usage);
    assert_eq!(
        (cost("ollama/x"), cost("vllm/x"), cost("recorded/x"), cost("house/x")),
        (Some(0), Some(0), Some(0), Some(0))
    );
    assert_eq!((cost("second/gpt-5-mini"), cost("custom/gpt-5-mini")), (Some(1), None));
}

#[test]
fn wrong_settings_are_refused_with_the_providers_name() {
    let settings = ProviderSettings::default;
    for (name, settings, wanted) in [
        ("house", settings(), "base_url is missing"),
        ("ho/use", at("http://x"), "has no `/`"),
        ("s", ProviderSettings { kind: ProviderKind::Scripted, ..settings() }, "script = \"FILE\" is missing"),
        ("h", ProviderSettings { like: Some("opnai".into()), ..settings() }, "Did you mean `openai`?"),
        ("openai", ProviderSettings { max_concurrent: Some(0), ..settings() }, "a limit of 0"),
        ("openai", ProviderSettings { idle_ms: Some(0), ..settings() }, "a limit of 0"),
    ] {
        let failure = providers_with(&[(name, settings)], &[]).map(|_| ()).unwrap_err();
        assert!(failure.message.contains(wanted) && failure.message.contains(name), "{failure}");
    }
    let providers = providers_with(&[("h", at("nonsense"))], &[]).unwrap();
    assert!(problem(providers.resolve("h/x")).1.starts_with("provider h: the base URL"));
}

#[tokio::test]
async fn a_scripted_provider_is_one_like_any_other() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("demo.yaml");
    std::fs::write(&script, "conversations: [{turns: [{say: hello}]}]").unwrap();
    let demo = ProviderSettings {
        kind: ProviderKind::Scripted,
        script: Some(script),
        max_concurrent: Some(1),
        ..ProviderSettings::default()
    };
    let providers = providers_with(&[("demo", demo)], &[]).unwrap();
    let request = ModelRequest {
        model: "demo/any".into(),
        messages: vec![Message::User { text: "go".into() }],
        tools: Vec::new(),
        answer: None,
        max_output_tokens: 10,
        temperature: None,
    };
    let context = CallContext { project: "p".into(), task: "t".into(), role: "r".into(), attempt: 1, turn: 1 };
    let reply = providers.resolve("demo/any").unwrap().complete(&request, &context, &|_| {}).await.unwrap();
    assert_eq!((reply.text.as_str(), reply.usage.usd_micros), ("hello", 0));
    assert_eq!(providers.prices().estimate(&request).map(|amounts| amounts.usd_micros), Ok(0));
}
