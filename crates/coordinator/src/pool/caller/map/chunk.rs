//! [`Chunk`]: several encoded inputs that are one job, and what is left of them when the job has ended.

use bytes::Bytes;
use procpool_protocol::batch::{self, Inputs};
use procpool_protocol::{Encoding, Payload};

/// Maximum length of a chunk's inputs, in bytes, whatever number of them is wanted.
const MOST: usize = 1 << 20;

/// Inputs that are sent together, or were.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    inputs: Bytes,
    pub(super) encoding: Encoding,
    pub(super) count: usize,
}

impl Chunk {
    /// Returns the payload of the job.
    pub(super) fn payload(&self) -> Payload {
        Payload::raw(self.inputs.clone())
    }

    /// Returns the inputs behind the first `done`, if there are any.
    pub(super) fn behind(mut self, done: usize) -> Option<Self> {
        for _ in 0..done {
            batch::next_input(&mut self.inputs)?.ok()?;
        }
        self.count = self.count.checked_sub(done).filter(|&left| left > 0)?;
        Some(self)
    }

    /// Returns the inputs as payloads of jobs of their own.
    pub(super) fn apart(mut self) -> impl Iterator<Item = Payload> {
        let encoding = self.encoding;
        let inputs = std::iter::from_fn(move || batch::next_input(&mut self.inputs)?.ok());
        inputs.map(move |input| Payload::new(encoding, input))
    }
}

/// A chunk that is being filled.
#[derive(Debug)]
pub(super) struct Filling {
    inputs: Inputs,
    encoding: Encoding,
    limit: usize,
}

impl Filling {
    pub(super) fn new(max_payload: u32) -> Self {
        let limit = usize::try_from(max_payload).unwrap_or(MOST).min(MOST);
        Self { inputs: Inputs::default(), encoding: Encoding::None, limit }
    }

    pub(super) fn count(&self) -> usize {
        self.inputs.count()
    }

    /// Adds an input, or gives one back that does not belong here: the chunk would be too long, or something is sent beside
    /// the input.
    pub(super) fn add(&mut self, input: Payload) -> Result<(), Payload> {
        let is_first = self.inputs.count() == 0;
        let fits = self.inputs.length() + input.bytes.len() + size_of::<u32>() <= self.limit;
        let has_more = input.attachments.count() > 0 || input.rest().is_some();
        if !fits || has_more || !(is_first || input.encoding == self.encoding) {
            return Err(input);
        }
        self.encoding = input.encoding;
        self.inputs.push(&input.bytes);
        Ok(())
    }

    /// Returns the chunk, if there is anything in it.
    pub(super) fn chunk(self) -> Option<Chunk> {
        let count = self.inputs.count();
        (count > 0).then(|| Chunk { inputs: self.inputs.into(), encoding: self.encoding, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(items: &[&'static str]) -> Chunk {
        let mut filling = Filling::new(1000);
        items.iter().for_each(|item| filling.add(Payload::json(*item)).expect("room"));
        filling.chunk().expect("an item")
    }

    fn apart(chunk: Chunk) -> Vec<Payload> {
        chunk.apart().collect()
    }

    #[test]
    fn what_is_behind_those_that_are_done_is_left() {
        let items = ["1", "22", "333"];
        assert_eq!(apart(chunk(&items)), items.map(Payload::json));
        let rest = chunk(&items).behind(1).expect("two more");
        assert_eq!((rest.count, apart(rest)), (2, vec![Payload::json("22"), Payload::json("333")]));
        assert!(chunk(&items).behind(3).is_none());
        assert!(chunk(&items).behind(4).is_none());
    }

    #[test]
    fn a_chunk_takes_no_more_than_a_payload_may_have() {
        let mut filling = Filling::new(20);
        filling.add(Payload::json("12345678")).expect("room");
        filling.add(Payload::json("123456789")).expect_err("21 bytes with it");
        filling.add(Payload::raw("1")).expect_err("of another encoding");
        filling.add(Payload::json("1234")).expect("20 bytes");
        assert_eq!(filling.count(), 2);
        assert!(Filling::new(20).chunk().is_none());
    }
}
