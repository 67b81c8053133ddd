//! Schemas of well-meaning and of hostile workers.

use super::*;
use serde_json::json;

fn of(schema: &Value) -> Result<Copied, Unusable> {
    let [names, _] = Names::of_pool("p", Some(schema), None);
    copied(schema, &names)
}

/// Returns the component of the schema itself.
fn root(schema: &Value) -> Value {
    of(schema).unwrap().components.swap_remove(0).1
}

#[test]
fn a_schema_stays_as_it_is() {
    let schema = json!({
        "title": "Order", "type": "object", "required": ["n"], "additionalProperties": false,
        "properties": {
            "n": { "type": "integer", "minimum": 0, "maximum": 93, "format": "uint64" },
            "tags": { "type": "array", "items": { "type": "string", "pattern": "^a", "maxLength": 9 }, "uniqueItems": true },
            "either": { "oneOf": [{ "const": null }, { "enum": ["a", 1, { "b": [] }] }] },
            "type": true,
        },
        "examples": [{ "n": 3 }],
    });
    assert_eq!(root(&schema), schema);
    assert_eq!(root(&json!(true)), true);
}

#[test]
fn definitions_become_components_and_references_follow() {
    let copied = of(&json!({
        "$defs": { "Point": { "type": "array", "items": { "$ref": "#" } }, "Line": { "$ref": "#/$defs/Point" } },
        "properties": { "from": { "$ref": "#/$defs/Point" }, "to": { "$ref": "#/properties/from" } },
    }));
    let components: Map<String, Value> = copied.unwrap().components.into_iter().collect();
    assert_eq!(
        Value::Object(components),
        json!({
            "p.input": { "properties": {
                "from": { "$ref": "#/components/schemas/p.Point" },
                "to": { "$ref": "#/components/schemas/p.input/properties/from" },
            } },
            "p.Point": { "type": "array", "items": { "$ref": "#/components/schemas/p.input" } },
            "p.Line": { "$ref": "#/components/schemas/p.Point" },
        })
    );
}

#[test]
fn references_to_elsewhere_are_dropped_and_named() {
    let copied = of(&json!({
        "$id": "https://example.org/", "$schema": "https://json-schema.org/draft/2020-12/schema",
        "properties": {
            "a": { "$ref": "https://example.org/other", "type": "string" },
            "b": { "$ref": "file:///etc/passwd" },
            "c": { "const": { "$ref": "https://example.org/other" } },
            "d": { "$dynamicRef": "#node", "$anchor": "node" },
        },
    }))
    .unwrap();
    let (_, root) = &copied.components[0];
    assert_eq!(root, &json!({ "properties": { "a": { "type": "string" }, "b": {}, "c": {}, "d": {} } }));
    assert_eq!(copied.dropped.len(), 3, "{:?}", copied.dropped);
    assert!(copied.dropped[0].contains("/properties/a/$ref") && copied.dropped[0].contains("example.org"));
}

#[test]
fn what_is_no_schema_is_named_with_its_place() {
    for (schema, place) in [
        (json!(null), "`/`"),
        (json!([]), "`/`"),
        (json!("object"), "`/`"),
        (json!({ "type": "float" }), "`/type`"),
        (json!({ "properties": { "a": 1 } }), "`/properties/a`"),
        (json!({ "properties": [] }), "`/properties`"),
        (json!({ "items": { "required": "a" } }), "`/items/required`"),
        (json!({ "anyOf": [] }), "`/anyOf`"),
        (json!({ "$ref": 1 }), "`/$ref`"),
        (json!({ "$defs": { "A": null } }), "`/$defs/A`"),
    ] {
        let unusable = of(&schema).unwrap_err().to_string();
        assert!(unusable.contains(place), "{schema}: {unusable}");
    }
}

#[test]
fn a_schema_is_bounded_in_depth_number_and_length() {
    let nested = |levels: usize| (0..levels).fold(json!(true), |inner, _| json!({ "not": inner }));
    assert!(of(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(of(&nested(MAX_DEPTH + 1)).unwrap_err(), Unusable::TooDeep);
    let data = (0..MAX_DEPTH).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(of(&json!({ "const": data })).unwrap_err(), Unusable::TooDeep);
    let many: Vec<_> = vec![json!({}); MAX_VALUES];
    assert_eq!(of(&json!({ "anyOf": many })).unwrap_err(), Unusable::TooManyValues);
    let members: Map<String, Value> = (0..100).map(|n| (format!("{n:01000}"), json!(true))).collect();
    assert_eq!(of(&json!({ "properties": members })).unwrap_err(), Unusable::TooLong);
    assert_eq!(of(&json!({ "const": "x".repeat(MAX_BYTES + 1) })).unwrap_err(), Unusable::TooLong);
    let unknown = json!({ "x-mine": "x".repeat(2 * MAX_BYTES) });
    assert_eq!(root(&unknown), json!({}), "what is left out costs nothing");
}

#[test]
fn prose_is_cut_and_shows_as_text() {
    let described =
        root(&json!({ "description": "<img src=x> [a](https://example.org)", "title": "x".repeat(9_000) }));
    assert_eq!(described["description"], r"\<img src=x> \[a\](https://example.org)");
    assert_eq!(described["title"].as_str().unwrap().len(), MAX_PROSE);
}

#[test]
fn what_could_harm_a_reader_is_dropped() {
    let copied =
        of(&json!({ "minItems": 1_000_000_000, "pattern": "(a+)+".repeat(200), "items": [true] })).unwrap();
    assert_eq!(copied.components[0].1, json!({}));
    assert_eq!(copied.dropped.len(), 3);
    let circle = of(&json!({ "$ref": "#", "type": "string" })).unwrap();
    assert_eq!(circle.components[0].1, json!({ "type": "string" }));
}
