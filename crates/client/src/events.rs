//! The events of a job, from the bytes of a stream of server-sent events. Does not: read a connection.

use std::str;

/// Maximum length of an event, in bytes. A chunk of a stream is the longest.
const LONGEST: usize = 64 << 20;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its name, such as `state` or `outcome`.
    pub name: String,
    /// Its data.
    pub data: String,
}

/// The bytes are no stream of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEvents {
    /// An event is too long to hold.
    #[error("an event is longer than {LONGEST} bytes")]
    TooLong,
    /// An event is not text.
    #[error("an event is not UTF-8")]
    NotText,
}

/// Takes bytes in any pieces, and gives events.
#[derive(Debug, Default)]
pub struct Decoder {
    /// A line that has begun.
    line: Vec<u8>,
    event: Event,
    has_data: bool,
    /// The id of the event that has begun, which has not been seen before its end.
    id: Option<String>,
    last_id: Option<String>,
}

impl Decoder {
    /// Returns the id of the last event that had one: from there a later stream goes on.
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// Forgets an event that has begun, as the connection of its stream has broken.
    pub fn begin_again(&mut self) {
        *self = Self { last_id: self.last_id.take(), ..Self::default() };
    }

    /// Takes bytes, and adds the events that end in them to `events`.
    ///
    /// # Errors
    /// When the bytes cannot be a stream of events.
    pub fn take(&mut self, mut bytes: &[u8], events: &mut Vec<Event>) -> Result<(), InvalidEvents> {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (piece, rest) = bytes.split_at(end);
            bytes = &rest[1..];
            self.extend(piece)?;
            let line = std::mem::take(&mut self.line);
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            self.read(str::from_utf8(line).map_err(|_| InvalidEvents::NotText)?, events);
        }
        self.extend(bytes)
    }

    fn extend(&mut self, piece: &[u8]) -> Result<(), InvalidEvents> {
        if self.line.len() + self.event.data.len() + piece.len() > LONGEST {
            return Err(InvalidEvents::TooLong);
        }
        self.line.extend_from_slice(piece);
        Ok(())
    }

    fn read(&mut self, line: &str, events: &mut Vec<Event>) {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            self.last_id = self.id.take().or(self.last_id.take());
            if std::mem::take(&mut self.has_data) {
                events.push(event);
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.event.name = value.into(),
            "id" => self.id = Some(value.into()),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            // A comment, a time to wait, or a field of a later standard.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b"retry: 2000\n\n: ping\n\nevent: state\nid: 1\ndata: {\"state\":\"running\"}\n\n\
        event: progress\r\nid:2\r\ndata: {\"done\":1,\r\ndata: \"total\":2}\r\n\r\nevent: outcome\ndata: {}\n";

    fn expected() -> Vec<Event> {
        [("state", "{\"state\":\"running\"}"), ("progress", "{\"done\":1,\n\"total\":2}")]
            .map(|(name, data)| Event { name: name.into(), data: data.into() })
            .into()
    }

    #[test]
    fn events_do_not_depend_on_how_their_bytes_arrive() {
        for size in 1..STREAM.len() {
            let (mut decoder, mut events) = (Decoder::default(), Vec::new());
            for piece in STREAM.chunks(size) {
                decoder.take(piece, &mut events).unwrap();
            }
            assert_eq!((events, decoder.last_id()), (expected(), Some("2")), "{size}");
        }
    }

    #[test]
    fn an_event_that_a_broken_connection_cut_is_forgotten_and_its_place_is_not() {
        let (mut decoder, mut events) = (Decoder::default(), Vec::new());
        decoder.take(STREAM, &mut events).unwrap();
        decoder.begin_again();
        events.clear();
        decoder.take(b"event: outcome\nid: 3\ndata: 1\n\n", &mut events).unwrap();
        assert_eq!(events, [Event { name: "outcome".into(), data: "1".into() }]);
        assert_eq!(decoder.last_id(), Some("3"));
    }

    #[test]
    fn what_cannot_be_events_is_refused() {
        let (mut decoder, mut events) = (Decoder::default(), Vec::new());
        assert_eq!(decoder.take(b"data: \xff\n", &mut events), Err(InvalidEvents::NotText));
        let mut decoder = Decoder::default();
        let long = vec![b'x'; LONGEST];
        assert_eq!(decoder.take(&long, &mut events), Ok(()));
        assert_eq!(decoder.take(b"x", &mut events), Err(InvalidEvents::TooLong));
    }
}
