//! The desktop's keyring: entries by service and user. Every call talks to another process and may wait for a person.

use ::keyring::v1::{Entry, Error};

/// The value of an entry.
pub fn get(service: &str, user: &str) -> Result<Option<String>, String> {
    match entry(service, user)?.get_password() {
        Ok(value) => Ok(Some(value)),
        Err(Error::NoEntry) => Ok(None),
        Err(error) => Err(told(&error)),
    }
}

/// Sets it.
pub fn set(service: &str, user: &str, value: &str) -> Result<(), String> {
    entry(service, user)?.set_password(value).map_err(|error| told(&error))
}

/// Removes it; tells whether it was there.
pub fn remove(service: &str, user: &str) -> Result<bool, String> {
    match entry(service, user)?.delete_credential() {
        Ok(()) => Ok(true),
        Err(Error::NoEntry) => Ok(false),
        Err(error) => Err(told(&error)),
    }
}

fn entry(service: &str, user: &str) -> Result<Entry, String> {
    Entry::new(service, user).map_err(|error| match (error, Entry::store_status()) {
        (Error::NoDefaultStore, Err(why)) => format!("there is no keyring here: {}", told(why)),
        (error, _) => told(&error),
    })
}

/// What went wrong, without the bytes that some errors carry.
fn told(error: &Error) -> String {
    match error {
        Error::BadEncoding(_) => "the entry is no UTF-8 text".to_owned(),
        other => other.to_string(),
    }
}
