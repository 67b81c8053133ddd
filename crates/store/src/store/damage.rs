//! [`Damage`]: inputs and results that cannot be read, each told once.

use std::collections::HashSet;

/// Maximum number of sentences that are remembered. Of a store with more damage than that, nobody reads the rest.
const MOST: usize = 4096;

/// The damage that was found since the store was opened.
#[derive(Debug, Default)]
pub(super) struct Damage {
    known: HashSet<String>,
    untold: Vec<String>,
}

impl Damage {
    /// Keeps a sentence for [`take`](Self::take), unless it is known.
    pub(super) fn tell(&mut self, sentence: String) {
        if self.known.len() < MOST && self.known.insert(sentence.clone()) {
            self.untold.push(sentence);
        }
    }

    /// Returns the sentences that are new since the last call.
    pub(super) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.untold)
    }
}
