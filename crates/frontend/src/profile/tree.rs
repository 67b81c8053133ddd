//! The calls of a profile as a tree, the outermost one at its root.

use procpool_protocol::inspection::Profile;
use std::collections::BTreeMap;

/// A call with those that it made.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// Number of samples in which it is.
    pub(super) samples: usize,
    /// Number of samples in which it is the innermost one.
    pub(super) own: usize,
    pub(super) calls: BTreeMap<u32, Node>,
}

/// Returns the root, which stands for the worker.
pub(super) fn of(profile: &Profile) -> Node {
    let mut root = Node::default();
    for sample in &profile.samples {
        let mut node = &mut root;
        node.samples += 1;
        for call in sample.calls.iter().rev() {
            node = node.calls.entry(*call).or_default();
            node.samples += 1;
        }
        node.own += 1;
    }
    root
}
