//! Holds what all viewers are sent together: the text of every pool, written once. A viewer of some pools gets their texts, a
//! viewer of all gets the whole.

use crate::sse;
use bytes::Bytes;
use serde_json::Value;
use std::fmt::Write;
use std::sync::OnceLock;

/// The state of all pools at one moment, as an event of this name.
#[derive(Debug)]
pub(super) struct Picture {
    name: &'static str,
    id: u64,
    /// Milliseconds since the epoch.
    at: u64,
    pieces: Vec<Piece>,
    /// The event of all pools, once somebody has wanted it.
    whole: OnceLock<Bytes>,
}

/// The text of one pool.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) pool: String,
    /// A member of a JSON object: its name, a colon and its value.
    pub(super) json: String,
}

impl Picture {
    pub(super) fn new(name: &'static str, id: u64, at: u64, pieces: Vec<Piece>) -> Self {
        Self { name, id, at, pieces, whole: OnceLock::new() }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Returns the event with the pools that `shows` selects. `None` selects all.
    pub(super) fn text(&self, shows: Option<&dyn Fn(&str) -> bool>) -> Bytes {
        match shows {
            None => self.whole.get_or_init(|| self.written(&|_| true)).clone(),
            Some(shows) => self.written(shows),
        }
    }

    fn written(&self, shows: &dyn Fn(&str) -> bool) -> Bytes {
        let shown = || self.pieces.iter().filter(|piece| shows(&piece.pool));
        let length: usize = shown().map(|piece| piece.json.len() + 1).sum();
        let mut text = String::with_capacity(length + 96);
        let Self { name, id, at, .. } = self;
        // Writing to a string never fails.
        let _ = write!(text, "event: {name}\nid: {id}\ndata: {{\"t\":{at},\"pools\":{{");
        for (index, piece) in shown().enumerate() {
            text.push_str(if index == 0 { "" } else { "," });
            text.push_str(&piece.json);
        }
        text.push_str("}}\n\n");
        text.into()
    }
}

/// Everything about one moment.
#[derive(Debug)]
pub(super) struct Frame {
    /// For viewers that have the frame before.
    pub(super) tick: Picture,
    /// For viewers that have not. Written only if there is one.
    pub(super) snapshot: Option<Picture>,
}

/// Something rare, as an event.
#[derive(Clone, Debug)]
pub(super) struct Rare {
    pub(super) pool: String,
    pub(super) text: Bytes,
}

impl Rare {
    pub(super) fn new(name: &str, pool: &str, data: &Value) -> Self {
        Self { pool: pool.to_owned(), text: sse::event(name, None, &data.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_of_some_pools_gets_their_texts_and_a_viewer_of_all_gets_one_text() {
        let piece = |pool: &str| Piece { pool: pool.into(), json: format!("\"{pool}\":1") };
        let picture = Picture::new("tick", 7, 9, vec![piece("a"), piece("b"), piece("c")]);
        let all = picture.text(None);
        assert_eq!(all, "event: tick\nid: 7\ndata: {\"t\":9,\"pools\":{\"a\":1,\"b\":1,\"c\":1}}\n\n");
        assert_eq!(all.as_ptr(), picture.text(None).as_ptr(), "it is written once");
        let some = picture.text(Some(&|pool| pool != "b"));
        assert_eq!(some, "event: tick\nid: 7\ndata: {\"t\":9,\"pools\":{\"a\":1,\"c\":1}}\n\n");
        let none = picture.text(Some(&|_| false));
        assert!(none.ends_with(b"\"pools\":{}}\n\n"));
    }
}
