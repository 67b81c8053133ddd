//! One object of an answer as lines, in the order of the server: `name: value`, and what is inside an object indented.

use crate::stacks::Stack;
use procpool_protocol::printable::{printable, printable_json, printable_lines};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt::{self, Write};

/// The members of an object, in their order.
struct Members(Vec<(String, Box<RawValue>)>);

/// Returns the members of an object, a line each. Anything else is returned as it is.
#[must_use]
pub fn object(json: &[u8]) -> String {
    let mut text = String::new();
    match serde_json::from_slice(json) {
        Ok(members) => describe(&mut text, &members, ""),
        Err(_) => text.push_str(&printable_json(&String::from_utf8_lossy(json))),
    }
    text
}

fn describe(text: &mut String, Members(members): &Members, indent: &str) {
    let is_nested = !indent.is_empty();
    for (name, value) in members {
        let name = printable(name);
        if name == "stack" && describe_stack(text, value.get(), indent) {
            continue;
        }
        // Writing to a `String` does not fail.
        let _ = match (value.get(), serde_json::from_str::<Members>(value.get())) {
            // A count of nothing says nothing.
            ("0" | "null", _) if is_nested => Ok(()),
            (_, Ok(inner)) if !is_nested && !inner.0.is_empty() => {
                let _ = writeln!(text, "{name}:");
                let begun = text.len();
                describe(text, &inner, "  ");
                if text.len() == begun {
                    text.insert_str(begun - 1, " none");
                }
                Ok(())
            }
            ("null", _) => writeln!(text, "{indent}{name}: -"),
            (value, _) => writeln!(text, "{indent}{name}: {}", plain(value)),
        };
    }
}

/// Adds a stack as `procpool worker stack` shows it. Returns whether it is one.
fn describe_stack(text: &mut String, json: &str, indent: &str) -> bool {
    let Ok(stack) = serde_json::from_str::<Stack>(json) else { return false };
    if stack.threads.is_empty() && stack.note.is_none() {
        return false;
    }
    // Writing to a `String` does not fail.
    let _ = writeln!(text, "{indent}stack:");
    for line in printable_lines(&stack.text()).lines() {
        let _ = writeln!(text, "{indent}  {line}");
    }
    true
}

/// Returns a value as text: a string without its quotes, the rest as JSON.
fn plain(json: &str) -> String {
    match serde_json::from_str::<String>(json) {
        Ok(text) => printable(&text).into_owned(),
        Err(_) => printable_json(json).replace('\n', " "),
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_has_a_line_for_each_call() {
        let json = br#"{"id":1,"stack":{"threads":[{"id":7,"name":"fib","frames":[
            {"function":"spin","file":"a.rs","line":3,"offset":1},{"module":"fib","offset":16}]}],"note":"cut"}}"#;
        let lines = "id: 1\nstack:\n  thread 7 fib\n     0  spin at a.rs:3\n     1  fib+0x10\n  note: cut\n";
        assert_eq!(object(json), lines);
    }

    #[test]
    fn members_are_lines_in_their_order_and_zeros_inside_are_left_out() {
        let json = br#"{"name":"fib","queued":0,"backoff_ms":null,"jobs":{"ok":3,"failed":0},"deaths":{"a":0},"empty":{},
            "run":{"p50_us":12,"deep":{"a":1}},"list":[1,2]}"#;
        assert_eq!(
            object(json),
            "name: fib\nqueued: 0\nbackoff_ms: -\njobs:\n  ok: 3\ndeaths: none\nempty: {}\nrun:\n  p50_us: 12\n  \
             deep: {\"a\":1}\nlist: [1,2]\n"
        );
    }

    #[test]
    fn text_of_others_drives_no_terminal() {
        assert_eq!(object("{\"a\\u001b\":\"\\u001b[2J\\nb\"}".as_bytes()), "a\\u{1b}: \\u{1b}[2J\\nb\n");
        assert_eq!(object("\"\u{202e}\"".as_bytes()), "\"\\u202e\"");
    }
}
