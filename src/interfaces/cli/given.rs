//! Inputs from flags and files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::args::Inputs;
use super::error::Error;
use crate::domain::budget::Caps;
use crate::domain::time::parse_duration;
use crate::domain::workflow::{Definition, Given, bind};

/// The bound inputs.
pub fn inputs(definition: &Definition, inputs: &Inputs) -> Result<serde_json::Map<String, serde_json::Value>, Error> {
    let mut given = BTreeMap::new();
    if let Some(path) = &inputs.inputs {
        for (name, value) in json_object(path)? {
            given.insert(name, Given::Json(value));
        }
    }
    for pair in &inputs.input {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(Error::Usage {
                message: format!("`{pair}` is not KEY=VALUE"),
                hint: "Write `-i name=value`, or `-i name=@file` to read the value from a file.".to_owned(),
            });
        };
        let text = match value.strip_prefix('@') {
            Some(file) => {
                let path = PathBuf::from(file);
                std::fs::read_to_string(&path).map_err(|source| Error::File { doing: "read", path, source })?
            }
            None => value.to_owned(),
        };
        given.insert(name.to_owned(), Given::Text(text));
    }
    bind(&definition.inputs, &given).map_err(|problems| Error::Inputs { workflow: definition.name.clone(), problems })
}

fn json_object(path: &Path) -> Result<serde_json::Map<String, serde_json::Value>, Error> {
    let text = std::fs::read(path).map_err(|source| Error::File { doing: "read", path: path.to_owned(), source })?;
    serde_json::from_slice(&text).map_err(|error| Error::Usage {
        message: format!("{} is not a JSON object: {error}", path.display()),
        hint: "Write `{\"name\": value, ...}`.".to_owned(),
    })
}

/// JSON from the command line.
pub fn json(flag: &str, text: &str) -> Result<serde_json::Value, Error> {
    serde_json::from_str(text).map_err(|error| Error::Usage {
        message: format!("the value of {flag} is not JSON: {error}"),
        hint: format!("Text needs quotes of its own: {flag} '\"text\"'."),
    })
}

/// New caps: `calls=10,wall=2h`.
pub fn caps(text: &str) -> Result<Caps, Error> {
    let mut caps = Caps::default();
    for pair in text.split(',') {
        let wrong = || Error::Usage {
            message: format!("`{pair}` is not a cap"),
            hint: "Write calls=N, tokens=N, usd=N or wall=DURATION, separated by commas.".to_owned(),
        };
        let (name, value) = pair.trim().split_once('=').ok_or_else(wrong)?;
        match name {
            "calls" => caps.calls = Some(value.parse().map_err(|_| wrong())?),
            "tokens" => caps.tokens = Some(value.parse().map_err(|_| wrong())?),
            "usd" => {
                let usd: f64 = value.parse().map_err(|_| wrong())?;
                if !usd.is_finite() || !(0.0..1e12).contains(&usd) {
                    return Err(wrong());
                }
                // In range by the check above.
                caps.usd_micros = Some((usd * 1e6).round() as u64);
            }
            "wall" => caps.wall_ms = Some(parse_duration(value).ok_or_else(wrong)?),
            _ => return Err(wrong()),
        }
    }
    Ok(caps)
}

#[cfg(test)]
mod tests {
    #[test]
    fn caps_are_read_and_nonsense_is_refused() {
        let caps = super::caps("calls=10, wall=2h,usd=1.5").unwrap();
        assert_eq!((caps.calls, caps.wall_ms, caps.usd_micros), (Some(10), Some(7_200_000), Some(1_500_000)));
        for bad in ["", "calls", "calls=x", "wall=5", "usd=-1", "usd=nan", "steps=1"] {
            assert!(super::caps(bad).is_err(), "{bad}");
        }
    }
}
