//! Folded stacks: a line for each, with the calls from the outermost one on, and the number of its samples.

use super::tree::{self, Node};
use procpool_protocol::inspection::Profile;

pub(super) fn write(profile: &Profile) -> String {
    let labels: Vec<String> =
        profile.frames.iter().map(|frame| super::label(frame).replace(';', ":")).collect();
    let mut lines = String::new();
    add(&tree::of(profile), &mut profile.worker.clone(), &labels, &mut lines);
    lines
}

/// A stack has at most a few hundred calls, and so has this recursion.
fn add(node: &Node, path: &mut String, labels: &[String], lines: &mut String) {
    if node.own > 0 {
        lines.push_str(&format!("{path} {}\n", node.own));
    }
    let length = path.len();
    for (call, node) in &node.calls {
        path.push(';');
        path.push_str(labels.get(*call as usize).map_or("?", String::as_str));
        add(node, path, labels, lines);
        path.truncate(length);
    }
}
