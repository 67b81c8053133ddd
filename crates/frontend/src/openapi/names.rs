//! The names of a worker's schemas among the components of the document: `fib.input`, `fib.output`, and `fib.NAME` for
//! what a schema defines by name. Does not: look into schemas.

use serde_json::Value;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// The places where a schema defines others by name.
pub(super) const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];

/// Maximum number of definitions of a schema that have names. One with more has more values than it may have.
const MAX_NAMES: usize = super::schema::MAX_VALUES;

/// Whose schema it is: of what a job takes, or of what it gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Input,
    Output,
}

impl Side {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
        }
    }
}

/// The names of one schema and of its definitions.
#[derive(Debug)]
pub(super) struct Names {
    root: String,
    /// By their places, such as `$defs` and `Point`.
    definitions: BTreeMap<(String, String), String>,
}

impl Names {
    /// Returns the names for the two schemas of a pool's job. A name that both define is two names.
    pub(super) fn of_pool(pool: &str, input: Option<&Value>, output: Option<&Value>) -> [Self; 2] {
        let mut taken =
            BTreeMap::from([Side::Input, Side::Output].map(|side| (format!("{pool}.{}", side.name()), 1)));
        let mut names = |side: Side, own: Option<&Value>, other: Option<&Value>| {
            let root = format!("{pool}.{}", side.name());
            let others: BTreeSet<&str> = definitions(other).map(|(_, name)| name).collect();
            let mut chosen = BTreeMap::new();
            for (place, name) in definitions(own) {
                let prefix = if others.contains(name) { &root } else { pool };
                let component = free(&mut taken, &format!("{prefix}.{}", plain(name)));
                chosen.insert((place.to_owned(), name.to_owned()), component);
            }
            Self { root, definitions: chosen }
        };
        [names(Side::Input, input, output), names(Side::Output, output, input)]
    }

    /// Returns the name of the schema itself.
    pub(super) fn root(&self) -> &str {
        &self.root
    }

    /// Returns the name of a definition.
    pub(super) fn definition(&self, place: &str, name: &str) -> Option<&str> {
        self.definitions.get(&(place.to_owned(), name.to_owned())).map(String::as_str)
    }

    /// Returns the reference to what is at the end of a way through the schema.
    pub(super) fn reference(&self, way: &[String]) -> String {
        let (name, rest) = match way {
            [place, name, rest @ ..] => match self.definition(place, name) {
                Some(component) => (component, rest),
                None => (self.root(), way),
            },
            _ => (self.root(), way),
        };
        let mut reference = format!("#/components/schemas/{name}");
        for step in rest {
            reference.push('/');
            escape(step, &mut reference);
        }
        reference
    }
}

/// Returns each definition with its place.
fn definitions(schema: Option<&Value>) -> impl Iterator<Item = (&'static str, &str)> {
    let all = DEFINITIONS.into_iter().flat_map(move |place| {
        let defined = schema.and_then(|schema| schema.get(place)).and_then(Value::as_object);
        defined.into_iter().flat_map(|defined| defined.keys()).map(move |name| (place, name.as_str()))
    });
    all.take(MAX_NAMES)
}

/// Returns a name in the characters that components may have.
fn plain(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    name.chars().take(100).map(|c| if fits(c) { c } else { '_' }).collect()
}

/// Takes a name, or the first one like it that is free. Each taken name has the last number that one like it got, so that
/// many alike are not tried again from the first.
fn free(taken: &mut BTreeMap<String, usize>, name: &str) -> String {
    let mut last = match taken.entry(name.to_owned()) {
        Entry::Vacant(free) => {
            free.insert(1);
            return name.to_owned();
        }
        Entry::Occupied(taken) => *taken.get(),
    };
    let free = loop {
        last += 1;
        let numbered = format!("{name}_{last}");
        // It may be the own name of another.
        if !taken.contains_key(&numbered) {
            break numbered;
        }
    };
    taken.insert(name.to_owned(), last);
    taken.insert(free.clone(), 1);
    free
}

/// Adds a step as it stands in a fragment.
fn escape(step: &str, reference: &mut String) {
    for byte in step.bytes() {
        match byte {
            b'~' => reference.push_str("~0"),
            b'/' => reference.push_str("~1"),
            b'$' | b'-' | b'.' | b'_' => reference.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => reference.push(char::from(byte)),
            byte => reference.push_str(&format!("%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn way(steps: &[&str]) -> Vec<String> {
        steps.iter().map(|step| (*step).to_owned()).collect()
    }

    #[test]
    fn definitions_are_components_of_their_pool() {
        let (input, output) = (json!({ "$defs": { "Point": {} } }), json!({ "definitions": { "Line": {} } }));
        let [input, output] = Names::of_pool("fib", Some(&input), Some(&output));
        assert_eq!((input.root(), output.root()), ("fib.input", "fib.output"));
        assert_eq!(input.reference(&way(&["$defs", "Point"])), "#/components/schemas/fib.Point");
        let deep = output.reference(&way(&["definitions", "Line", "properties", "a/b ~"]));
        assert_eq!(deep, "#/components/schemas/fib.Line/properties/a~1b%20~0");
        assert_eq!(input.reference(&[]), "#/components/schemas/fib.input");
        assert_eq!(input.reference(&way(&["items"])), "#/components/schemas/fib.input/items");
        assert_eq!(input.reference(&way(&["$defs", "None"])), "#/components/schemas/fib.input/$defs/None");
    }

    #[test]
    fn many_definitions_that_are_written_alike_are_named_in_no_time() {
        // Each becomes `p._`: trying all numbers for each would take millions of steps of comparisons.
        let alike = |number: u32| char::from_u32(0x4e00 + number).unwrap().to_string();
        let defined: serde_json::Map<String, Value> =
            (0..20_000).map(|number| (alike(number), json!({}))).collect();
        let [names, _] = Names::of_pool("p", Some(&json!({ "$defs": defined })), None);
        assert_eq!(names.definitions.len(), MAX_NAMES);
        let last = names.definition("$defs", &alike(4_999)).unwrap();
        assert_eq!(last, "p.__5000");
        assert!(names.definition("$defs", &alike(5_000)).is_none());
    }

    #[test]
    fn no_two_definitions_have_the_same_name() {
        let both = json!({
            "$defs": { "Point": {}, "input": {}, "a b": {}, "a/b": {}, "é": {} },
            "definitions": { "Point": {} }
        });
        let alone = Names::of_pool("p", Some(&both), None);
        let names: BTreeSet<_> = alone[0].definitions.values().collect();
        assert_eq!(names.len(), 6, "{names:?}");
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        assert!(names.iter().all(|name| name.chars().all(fits) && *name != "p.input"), "{names:?}");
        let [input, output] = Names::of_pool("p", Some(&both), Some(&both));
        let names: BTreeSet<_> = input.definitions.values().chain(output.definitions.values()).collect();
        assert_eq!(names.len(), 12, "{names:?}");
        assert_eq!(output.definition("$defs", "a b"), Some("p.output.a_b"));
    }
}
