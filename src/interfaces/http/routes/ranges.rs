//! `Range` headers over content that is at hand.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;

/// All of the content, or the range of it that was asked for (RFC 9110, one range).
pub fn ranged(headers: &HeaderMap, content: Bytes) -> Response {
    let length = content.len() as u64;
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    let mut response = match range.map(|range| parse(range, length)) {
        // What is no range of bytes is as if it were not there.
        None | Some(Wanted::All) => content.into_response(),
        Some(Wanted::Nothing) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            set(&mut response, &format!("bytes */{length}"));
            response
        }
        Some(Wanted::Part(first, last)) => {
            // Both are less than the length, which is one of memory.
            let mut response = content.slice(first as usize..=last as usize).into_response();
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            set(&mut response, &format!("bytes {first}-{last}/{length}"));
            response
        }
    };
    response.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    response
}

fn set(response: &mut Response, range: &str) {
    if let Ok(range) = HeaderValue::from_str(range) {
        response.headers_mut().insert(header::CONTENT_RANGE, range);
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Nothing,
    Part(u64, u64),
}

fn parse(range: &str, length: u64) -> Wanted {
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Wanted::All;
    };
    let part = match (first.trim(), last.trim()) {
        ("", last) => {
            last.parse().ok().map(|count: u64| (length.saturating_sub(count), length.saturating_sub(1), count))
        }
        (first, "") => first.parse().ok().map(|first: u64| (first, length.saturating_sub(1), 1)),
        (first, last) => match (first.parse::<u64>(), last.parse::<u64>()) {
            (Ok(first), Ok(last)) if first <= last => Some((first, last.min(length.saturating_sub(1)), 1)),
            _ => None,
        },
    };
    match part {
        None => Wanted::All,
        Some((first, _, count)) if first >= length || count == 0 => Wanted::Nothing,
        Some((first, last, _)) => Wanted::Part(first, last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_what_is_there() {
        assert_eq!(parse("bytes=0-3", 10), Wanted::Part(0, 3));
        assert_eq!(parse("bytes=5-", 10), Wanted::Part(5, 9));
        assert_eq!(parse("bytes=-3", 10), Wanted::Part(7, 9));
        assert_eq!(parse("bytes=-30", 10), Wanted::Part(0, 9));
        assert_eq!(parse("bytes=8-99", 10), Wanted::Part(8, 9));
        assert_eq!(parse("bytes=10-", 10), Wanted::Nothing);
        assert_eq!(parse("bytes=0-0", 0), Wanted::Nothing);
        for odd in ["lines=1-2", "bytes=3-1", "bytes=x-", "bytes=1-2,4-5"] {
            assert_eq!(parse(odd, 10), Wanted::All, "{odd}");
        }
    }
}
