//! Calls into sled with its panics and errors turned into the store's errors.

use std::any::Any;
use std::cell::Cell;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use crate::journal::store::Error;

const NEXT: &str = "run `wfctl doctor --repair`";

thread_local! {
    static GUARDED: Cell<u32> = const { Cell::new(0) };
}

/// Installs, once, a panic hook that stays silent about panics which [`guarded`] turns into errors.
fn silence_guarded_panics() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if GUARDED.with(Cell::get) == 0 {
                previous(info);
            }
        }));
    });
}

/// Runs a call into sled. `doing` completes "could not ...".
pub fn guarded<T>(doing: &str, call: impl FnOnce() -> sled::Result<T>) -> Result<T, Error> {
    silence_guarded_panics();
    GUARDED.with(|depth| depth.set(depth.get() + 1));
    let result = panic::catch_unwind(AssertUnwindSafe(call));
    GUARDED.with(|depth| depth.set(depth.get() - 1));
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(of_sled(doing, error)),
        Err(payload) => Err(Error::Corrupt { problem: format!("could not {doing}: {}; {NEXT}", text_of(&*payload)) }),
    }
}

fn text_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("sled gave up without a word")
}

fn of_sled(doing: &str, error: sled::Error) -> Error {
    match error {
        sled::Error::Io(source) => io_error(doing, source),
        sled::Error::Corruption { .. }
        | sled::Error::ReportableBug(_)
        | sled::Error::Unsupported(_)
        | sled::Error::CollectionNotFound(_) => {
            Error::Corrupt { problem: format!("could not {doing}: {error}; {NEXT}") }
        }
    }
}

/// An error of the system, with a full disk told apart.
pub fn io_error(doing: &str, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::DiskFull,
        // sled reads past the end of a file that was cut short.
        io::ErrorKind::UnexpectedEof => Error::Corrupt { problem: format!("could not {doing}: {source}; {NEXT}") },
        _ => Error::Io { context: format!("could not {doing}"), source },
    }
}
