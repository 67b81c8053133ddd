//! Reads server-sent events out of pieces of any length. An event that is cut off is none.

/// An event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: Option<u64>,
    pub(crate) name: String,
    pub(crate) data: String,
}

/// The reader of one connection.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    line: Vec<u8>,
    event: Event,
}

impl Parser {
    /// Reads a piece, and passes on the events that end in it.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut take: impl FnMut(Event)) {
        for &byte in bytes {
            if byte != b'\n' {
                self.line.push(byte);
                continue;
            }
            let line = String::from_utf8_lossy(&self.line).into_owned();
            self.line.clear();
            match line.split_once(": ").unwrap_or((&line, "")) {
                ("", _) if line.is_empty() => {
                    let event = std::mem::take(&mut self.event);
                    if !event.name.is_empty() {
                        take(event);
                    }
                }
                ("id", id) => self.event.id = id.parse().ok(),
                ("event", name) => name.clone_into(&mut self.event.name),
                ("data", data) => self.event.data.push_str(data),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_is_cut_anywhere_gives_its_whole_events_alone() {
        let text = b"retry: 2000\n\nid: 1\nevent: state\ndata: {}\n\n: still here\n\nid: 2\nevent: outcome\ndata: {}\n\n";
        let ends: Vec<usize> =
            text.windows(2).enumerate().filter(|(_, two)| two == b"\n\n").map(|(at, _)| at + 2).collect();
        for cut in 0..=text.len() {
            let (mut parser, mut ids) = (Parser::default(), Vec::new());
            text[..cut].chunks(7).for_each(|piece| parser.feed(piece, |event| ids.extend(event.id)));
            // The first end is that of `retry`, the third that of the comment.
            let whole = [ends[1], ends[3]].iter().filter(|end| cut >= **end).count() as u64;
            assert_eq!(ids, (1..=whole).collect::<Vec<_>>(), "cut at {cut}");
        }
    }

    #[test]
    fn an_event_has_its_name_its_id_and_its_data() {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        parser.feed(b"event: tick\nid: 7\ndata: {\"t\":1}\n\n", |event| events.push(event));
        let expected = Event { id: Some(7), name: "tick".into(), data: "{\"t\":1}".into() };
        assert_eq!(events, [expected]);
    }
}
