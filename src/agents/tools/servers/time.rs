//! The server `time`: what time it is, here and elsewhere, and waiting for one.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime, civil};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{Site, ToolFault, ToolOutput, arguments, object};
use super::Served;
use crate::domain::limits;
use crate::domain::time::{Millis, human_duration, parse_duration};
use crate::domain::workflow::EffectClass;

/// The tools.
pub(super) const TOOLS: [Served; 3] = [
    Served {
        server: "time",
        name: "current_time",
        about: "Tell what time it is, in UTC or in a time zone such as Europe/Berlin.",
        effect: EffectClass::Idempotent,
        parameters: || object(json!({ "timezone": zone_schema() }), &[]),
        work: |arguments, site| Box::pin(current_time(arguments, site)),
    },
    Served {
        server: "time",
        name: "convert_time",
        about: "Tell what a time in one time zone is in another. The time is a whole one (2026-11-20T12:00:00), one with an offset, or a \
                time of today (12:00).",
        effect: EffectClass::Idempotent,
        parameters: || {
            object(
                json!({ "time": { "type": "string", "minLength": 1 }, "from": zone_schema(), "to": zone_schema() }),
                &["time", "to"],
            )
        },
        work: |arguments, site| Box::pin(convert_time(arguments, site)),
    },
    Served {
        server: "time",
        name: "wait_until",
        about: "Wait until a time (2026-11-20T12:00:00Z) or for a while (90s, 5m), at most half an hour. Only for something that happens \
                by itself meanwhile.",
        effect: EffectClass::Idempotent,
        parameters: || {
            let until = json!({ "type": "string", "description": "A time with its offset." });
            let seconds = json!({ "type": "string", "description": "A while, such as 90s or 5m." });
            object(json!({ "time": until, "duration": seconds }), &[])
        },
        work: |arguments, site| Box::pin(wait_until(arguments, site)),
    },
];

fn zone_schema() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 64, "description": "A name of the IANA time zone database; UTC when left out." })
}

#[derive(Deserialize)]
struct Current {
    timezone: Option<String>,
}

#[derive(Deserialize)]
struct Convert {
    time: String,
    from: Option<String>,
    to: String,
}

#[derive(Deserialize)]
struct Until {
    time: Option<String>,
    duration: Option<String>,
}

async fn current_time(arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
    let Current { timezone } = arguments::typed(arguments)?;
    let zone = zone(timezone.as_deref())?;
    Ok(ToolOutput::new(told(&now(site)?.to_zoned_datetime(zone))))
}

async fn convert_time(arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
    let Convert { time, from, to } = arguments::typed(arguments)?;
    let (from, to) = (zone(from.as_deref())?, zone(Some(&to))?);
    let there = match time.parse::<Timestamp>() {
        Ok(time) => time.to_zoned_datetime(from),
        Err(_) => {
            let today = now(site)?.to_zoned_datetime(from.clone()).date();
            let local = time
                .parse::<civil::DateTime>()
                .or_else(|_| time.parse::<civil::Time>().map(|time| today.to_datetime(time)));
            let local = local.map_err(|_| {
                ToolFault::Told(format!(
                    "{time:?} is no time: write 2026-11-20T12:00:00, perhaps with an offset, or 12:00"
                ))
            })?;
            local
                .to_zoned_datetime(from)
                .map_err(|error| ToolFault::Told(format!("{time:?} does not exist there: {error}")))?
        }
    };
    let here = there.with_time_zone(to);
    Ok(ToolOutput::new(format!("{} is {}", told(&there), told(&here))))
}

async fn wait_until(arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
    let Until { time, duration } = arguments::typed(arguments)?;
    let world = site.beyond.world()?;
    let told = |text: String| ToolFault::Told(text);
    let wait_ms = match (time, duration) {
        (Some(text), None) => {
            let until = Millis::from_rfc3339(&text)
                .ok_or_else(|| told(format!("{text:?} is no time such as 2026-11-20T12:00:00Z")))?;
            until.since((world.now)())
        }
        (None, Some(text)) => {
            parse_duration(&text).ok_or_else(|| told(format!("{text:?} is no while such as 90s or 5m")))?
        }
        (Some(_), Some(_)) | (None, None) => return Err(told("give either `time` or `duration`".to_owned())),
    };
    let most = limits::TOOL_WAIT_MS;
    if wait_ms > most {
        return Err(told(format!("that is {}, longer than {}", human_duration(wait_ms), human_duration(most))));
    }
    tokio::time::sleep(Duration::from_millis(wait_ms)).await;
    Ok(ToolOutput::new(format!("waited {}", human_duration(wait_ms))))
}

fn now(site: &Site<'_>) -> Result<Timestamp, ToolFault> {
    let Millis(now) = (site.beyond.world()?.now)();
    let now = i64::try_from(now).ok().and_then(|now| Timestamp::from_millisecond(now).ok());
    now.ok_or_else(|| ToolFault::Told("the clock of this machine shows no time".to_owned()))
}

fn zone(name: Option<&str>) -> Result<TimeZone, ToolFault> {
    match name {
        None => Ok(TimeZone::UTC),
        Some(name) => TimeZone::get(name).map_err(|_| {
            ToolFault::Told(format!("there is no time zone {name:?}; names are like Europe/Berlin or UTC"))
        }),
    }
}

/// A time for people and machines: with its offset, its zone and the day of the week.
fn told(time: &ZonedDateTime) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
        + &format!("[{}] ({})", time.time_zone().iana_name().unwrap_or("UTC"), time.strftime("%A"))
}
