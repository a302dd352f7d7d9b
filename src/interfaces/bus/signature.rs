//! Signatures of webhooks by the scheme of Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, sent as `v1,<base64>`.
//! See <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// What a secret in its published form begins with; the rest is base64.
const PREFIX: &str = "whsec_";
/// The scheme asks for 24 bytes at least; fewer can be guessed.
const SHORTEST_BYTES: usize = 24;

/// A key to sign with. It cannot be printed.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

/// Why a secret cannot be used. No message shows any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrongSecret {
    /// It begins like one in its published form, and is not.
    #[error("it begins with {PREFIX} and what follows is not base64")]
    NotBase64,
    /// It can be guessed.
    #[error("it has fewer than {SHORTEST_BYTES} bytes; make one with: echo {PREFIX}$(openssl rand -base64 32)")]
    Short,
}

impl SigningKey {
    /// From a secret: `whsec_` and base64, or the bytes of any other text.
    pub fn new(secret: &str) -> Result<Self, WrongSecret> {
        let bytes = match secret.strip_prefix(PREFIX) {
            Some(text) => STANDARD.decode(text).map_err(|_| WrongSecret::NotBase64)?,
            None => secret.as_bytes().to_vec(),
        };
        if bytes.len() < SHORTEST_BYTES {
            return Err(WrongSecret::Short);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The value of the header `webhook-signature`.
    pub fn sign(&self, id: &str, timestamp_s: u64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{timestamp_s}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn the_published_example_is_signed_alike() {
        let key = SigningKey::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn secrets_that_are_none_are_refused_and_never_shown() {
        assert_eq!(SigningKey::new("whsec_!").unwrap_err(), WrongSecret::NotBase64);
        assert_eq!(SigningKey::new("12345678901234567890123").unwrap_err(), WrongSecret::Short);
        let key = SigningKey::new("123456789012345678901234").unwrap();
        assert!(!format!("{key:?}").contains("1234"));
    }
}
