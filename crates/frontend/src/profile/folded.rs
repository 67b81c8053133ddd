//! Folded stacks: a line for each, with the calls from the outermost one on, and the number of its samples.

use super::LARGEST;
use super::tree::{self, Node};
use procpool_protocol::inspection::Profile;

pub(super) fn write(profile: &Profile) -> String {
    let labels = profile.frames.iter().map(|frame| super::label(frame).replace(';', ":")).collect();
    let mut folded = Folded { labels, lines: String::new(), left_out: 0 };
    folded.add(&tree::of(profile), &mut profile.worker.clone());
    if folded.left_out > 0 {
        let rest = format!("{};(left out: the profile is too large) {}\n", profile.worker, folded.left_out);
        folded.lines.push_str(&rest);
    }
    folded.lines
}

struct Folded {
    labels: Vec<String>,
    lines: String,
    /// Number of samples whose stacks do not fit.
    left_out: usize,
}

impl Folded {
    /// A stack has at most 256 calls, and so has this recursion.
    fn add(&mut self, node: &Node, path: &mut String) {
        if node.own > 0 {
            let line = format!("{path} {}\n", node.own);
            if self.lines.len() + line.len() <= LARGEST {
                self.lines.push_str(&line);
            } else {
                self.left_out += node.own;
            }
        }
        let length = path.len();
        for (call, node) in &node.calls {
            path.push(';');
            path.push_str(self.labels.get(*call as usize).map_or("?", String::as_str));
            self.add(node, path);
            path.truncate(length);
        }
    }
}
