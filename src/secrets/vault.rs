//! HashiCorp Vault: fields of the key-value engine, version 2. Address and token come from the environment that is handed in
//! (`VAULT_ADDR`, `VAULT_TOKEN`, `VAULT_TOKEN_FILE`, `VAULT_NAMESPACE`, `VAULT_CACERT`), the token also from `~/.vault-token`, which its owner alone may read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use vaultrs::client::{VaultClient, VaultClientSettingsBuilder};
use vaultrs::error::ClientError;

use super::file;
use crate::telemetry::mask::Masks;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The value of a field; `None` when the secret has no such field, or Vault no such secret.
pub(super) async fn get(
    environment: &BTreeMap<String, String>,
    masks: &Masks,
    [mount, path, field]: [&str; 3],
) -> Result<Option<String>, String> {
    let client = client(environment, masks)?;
    let read = vaultrs::kv2::read::<serde_json::Map<String, serde_json::Value>>(&client, mount, path);
    let mut fields = match read.await {
        Ok(fields) => fields,
        Err(ClientError::APIError { code: 404, .. }) => return Ok(None),
        Err(error) => return Err(told(&error)),
    };
    match fields.remove(field) {
        None => Ok(None),
        Some(serde_json::Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("the field {field} is no text")),
    }
}

fn client(environment: &BTreeMap<String, String>, masks: &Masks) -> Result<VaultClient, String> {
    let given = |name: &str| environment.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let address = given("VAULT_ADDR").ok_or("VAULT_ADDR is not set")?;
    let parsed = reqwest::Url::parse(address).map_err(|error| format!("VAULT_ADDR is not a URL: {error}"))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err("VAULT_ADDR is not an http or https URL".to_owned());
    }
    let token = match given("VAULT_TOKEN") {
        Some(token) => token.to_owned(),
        None => token_of_file(given("VAULT_TOKEN_FILE").map(PathBuf::from), given("HOME").map(Path::new))?,
    };
    masks.learn([("VAULT_TOKEN", token.as_str())]);
    // An error means that it is installed already.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    // Everything is set, so that the crate asks the environment of this process for nothing.
    let settings = VaultClientSettingsBuilder::default()
        .address(address)
        .ca_certs(given("VAULT_CACERT").map(str::to_owned).into_iter().collect())
        .identity(None)
        .timeout(Some(PATIENCE))
        .token(token)
        .verify(true)
        .namespace(given("VAULT_NAMESPACE").map(str::to_owned))
        .build()
        .map_err(|error| error.to_string())?;
    VaultClient::new(settings).map_err(|error| told(&error))
}

fn token_of_file(named: Option<PathBuf>, home: Option<&Path>) -> Result<String, String> {
    let none = "no token: set VAULT_TOKEN, or VAULT_TOKEN_FILE, or log in with `vault login`";
    let path = named.or_else(|| home.map(|home| home.join(".vault-token"))).ok_or(none)?;
    let text = file::private_text(&path).map_err(|error| error.to_string())?.ok_or(none)?;
    Ok(text.trim().to_owned())
}

/// The error and its causes in one line. What Vault says of a refusal names policies, not values.
fn told(error: &ClientError) -> String {
    let mut text = match error {
        ClientError::APIError { code: 403, .. } => "Vault refuses: permission denied (403)".to_owned(),
        ClientError::APIError { code, errors } => format!("Vault answers {code}: {}", errors.join("; ")),
        other => other.to_string(),
    };
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
