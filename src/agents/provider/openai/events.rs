//! Server-sent events from bytes as they arrive, cut anywhere. See
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream>; of its fields only `data` and
//! `event` matter here. Lines end with LF, CR LF or CR; comments (`: keep-alive`) are skipped.

use crate::domain::limits;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// Its `event` field; empty when it has none.
    pub name: String,
    /// Its `data` lines, joined by line feeds. Not yet checked to be UTF-8.
    pub data: Vec<u8>,
}

/// An event is larger than [`limits::MODEL_EVENT_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge;

/// Collects lines to events.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    line: Vec<u8>,
    name: String,
    data: Vec<u8>,
    has_data: bool,
    after_cr: bool,
    past_start: bool,
}

impl Decoder {
    /// Takes the next bytes and adds the events that they complete to `events`.
    pub(super) fn push(&mut self, mut bytes: &[u8], events: &mut Vec<Event>) -> Result<(), TooLarge> {
        while !bytes.is_empty() {
            if self.after_cr {
                self.after_cr = false;
                if bytes[0] == b'\n' {
                    bytes = &bytes[1..];
                    continue;
                }
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            self.line.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
            if self.line.len() + self.data.len() > limits::MODEL_EVENT_BYTES {
                return Err(TooLarge);
            }
            let Some(end) = end else { return Ok(()) };
            self.after_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            self.end_of_line(events);
        }
        Ok(())
    }

    /// The stream ended: an event that only lacks the empty line after it counts, as some servers leave it out.
    pub(super) fn finish(mut self, events: &mut Vec<Event>) {
        if !self.line.is_empty() {
            self.end_of_line(events);
        }
        self.end_of_event(events);
    }

    fn end_of_line(&mut self, events: &mut Vec<Event>) {
        let mut line = std::mem::take(&mut self.line);
        if !self.past_start {
            self.past_start = true;
            if line.starts_with(b"\xef\xbb\xbf") {
                line.drain(..3);
            }
        }
        if line.is_empty() {
            self.end_of_event(events);
            return;
        }
        let (field, value) = match line.iter().position(|byte| *byte == b':') {
            Some(at) => (&line[..at], line[at + 1..].strip_prefix(b" ").unwrap_or(&line[at + 1..])),
            None => (&line[..], &[][..]),
        };
        match field {
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
            }
            b"event" => self.name = String::from_utf8_lossy(value).into_owned(),
            // A comment, an `id`, a `retry`, or a field that the standard says to ignore.
            _ => {}
        }
    }

    fn end_of_event(&mut self, events: &mut Vec<Event>) {
        let name = std::mem::take(&mut self.name);
        if std::mem::take(&mut self.has_data) {
            events.push(Event { name, data: std::mem::take(&mut self.data) });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(pieces: &[&[u8]]) -> Vec<Event> {
        let (mut decoder, mut events) = (Decoder::default(), Vec::new());
        for piece in pieces {
            decoder.push(piece, &mut events).unwrap();
        }
        decoder.finish(&mut events);
        events
    }

    fn data(events: &[Event]) -> Vec<&str> {
        events.iter().map(|event| std::str::from_utf8(&event.data).unwrap()).collect()
    }

    #[test]
    fn every_form_of_a_line_is_read() {
        let text =
            "\u{feff}data: a\r\n\r\n: keep-alive\r\n\r\ndata:b\rdata: c\r\revent: error\ndata:  d\nid: 3\n\n\n\ndata";
        let events = decoded(&[text.as_bytes()]);
        assert_eq!(data(&events), ["a", "b\nc", " d", ""]);
        assert_eq!(events[2].name, "error");
    }

    #[test]
    fn one_byte_more_than_an_event_may_have_is_refused() {
        let mut decoder = Decoder::default();
        let mut events = Vec::new();
        let line = vec![b'x'; limits::MODEL_EVENT_BYTES];
        assert_eq!(decoder.push(&line, &mut events), Ok(()));
        assert_eq!(decoder.push(b"x", &mut events), Err(TooLarge));
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(
            lines in proptest::collection::vec("(data: ?)?[ -~é\u{1F600}]{0,6}(\r\n|\n|\r){1,2}", 0..12),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let text = lines.concat();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            at.extend([0, text.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
            prop_assert_eq!(decoded(&pieces), decoded(&[text.as_bytes()]));
        }
    }
}
