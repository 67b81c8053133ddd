//! Where a reference within a worker's schema leads. Only those that lead to a schema of the same document are followed.

use super::keywords::Keyword;
use serde_json::Value;

/// Maximum number of references that lead to one another without anything else between.
const LONGEST_CHAIN: usize = 32;

/// Returns the way to the schema that a reference names, from the root, or `None` if it names no schema of this document or
/// only leads in a circle.
pub(super) fn resolved(root: &Value, reference: &str) -> Option<Vec<String>> {
    let way = way(reference)?;
    let mut target = target(root, &way)?;
    for _ in 0..LONGEST_CHAIN {
        match target.get("$ref").and_then(Value::as_str) {
            None => return Some(way),
            Some(next) => target = self::target(root, &self::way(next)?)?,
        }
    }
    None
}

/// Returns the steps of a pointer in a fragment.
fn way(reference: &str) -> Option<Vec<String>> {
    match reference.strip_prefix('#')? {
        "" => Some(Vec::new()),
        pointer => pointer.strip_prefix('/')?.split('/').map(step).collect(),
    }
}

/// Undoes the escapes of a fragment, then those of a pointer.
fn step(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            byte => byte,
        });
    }
    Some(String::from_utf8(bytes).ok()?.replace("~1", "/").replace("~0", "~"))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Returns the schema at the end of a way, which passes through schemas alone: what a `const` holds is no schema.
fn target<'a>(root: &'a Value, way: &[String]) -> Option<&'a Value> {
    let mut steps = way.iter();
    let mut schema = root;
    while let Some(name) = steps.next() {
        let value = schema.get(name)?;
        schema = match Keyword::named(name)? {
            Keyword::Schema => value,
            Keyword::Schemas => value.as_array()?.get(steps.next()?.parse::<usize>().ok()?)?,
            Keyword::Named => value.as_object()?.get(steps.next()?)?,
            _ => return None,
        };
    }
    (schema.is_object() || schema.is_boolean()).then_some(schema)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn references_lead_to_schemas_of_the_same_document() {
        let root = json!({
            "$defs": { "a/b~c d": { "type": "string" }, "chain": { "$ref": "#/$defs/a~1b~0c%20d" } },
            "properties": { "$ref": { "items": true } },
            "allOf": [{ "const": { "not": {} } }],
        });
        for (reference, way) in [
            ("#", &[][..]),
            ("#/$defs/a~1b~0c%20d", &["$defs", "a/b~c d"]),
            ("#/$defs/chain", &["$defs", "chain"]),
            ("#/properties/$ref/items", &["properties", "$ref", "items"]),
            ("#/allOf/0", &["allOf", "0"]),
        ] {
            assert_eq!(resolved(&root, reference).unwrap(), way, "{reference}");
        }
        for nowhere in [
            "",
            "other.json",
            "https://example.org/schema#/$defs/a",
            "#anchor",
            "#/",
            "#/$defs",
            "#/$defs/none",
            "#/allOf/1",
            "#/allOf/x",
            "#/allOf/0/const/not",
            "#/properties/$ref/type",
            "#/%",
            "#/%ff",
            "#/%+1",
        ] {
            assert_eq!(resolved(&root, nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn a_reference_that_leads_in_a_circle_leads_nowhere() {
        let circle = json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } } });
        for reference in ["#", "#/$defs/a", "#/$defs/b"] {
            assert_eq!(resolved(&circle, reference), None, "{reference}");
        }
        let list = json!({ "properties": { "next": { "$ref": "#" } } });
        assert!(resolved(&list, "#").is_some(), "a list of itself is a type");
    }
}
