//! Finds what the server sends and the OpenAPI document does not describe. A client that was made from the document would not
//! see it.

use serde_json::{Value, json};
use std::sync::LazyLock;

/// Those pieces of the document that describe problems, with all that they refer to.
static PROBLEMS: LazyLock<Value> = LazyLock::new(|| {
    let mut schemas = json!({});
    for piece in [
        include_str!("../../assets/openapi/problems.json"),
        include_str!("../../assets/openapi/schemas.json"),
        include_str!("../../assets/openapi/debugging.json"),
    ] {
        let mut piece: Value = serde_json::from_str(piece).unwrap();
        let more = piece["components"]["schemas"].as_object_mut().unwrap();
        schemas.as_object_mut().unwrap().append(more);
    }
    json!({"components": {"schemas": schemas}})
});

/// Panics if a problem has a member that the document does not know.
pub(crate) fn assert_problem_is_described(problem: &Value) {
    let missing = undescribed(&PROBLEMS, &json!({"$ref": "#/components/schemas/Problem"}), problem);
    assert!(missing.is_empty(), "describe in crates/frontend/assets/openapi: {missing:?} of {problem}");
}

/// Returns the members of a value that a schema of `document` does not name, in every depth.
pub(crate) fn undescribed(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut missing = Vec::new();
    look_at(document, schema, value, "", &mut missing);
    missing
}

fn look_at(document: &Value, schema: &Value, value: &Value, place: &str, missing: &mut Vec<String>) {
    let schemas = branches(document, schema);
    // A schema that says nothing about a value stands for one that is others'.
    if schemas.iter().any(|schema| schema.as_object().is_some_and(says_nothing)) {
        return;
    }
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let place = format!("{place}/{name}");
                let named = schemas.iter().find_map(|schema| schema["properties"].get(name));
                let others = schemas.iter().find_map(|schema| schema.get("additionalProperties"));
                match named.or(others.filter(|it| it.is_object())) {
                    Some(schema) => look_at(document, schema, member, &place, missing),
                    None => missing.push(place),
                }
            }
        }
        Value::Array(items) => {
            let of_items = schemas.iter().find_map(|schema| schema.get("items"));
            for item in items {
                match of_items {
                    Some(schema) => look_at(document, schema, item, &format!("{place}/-"), missing),
                    None => missing.push(format!("{place}/-")),
                }
            }
        }
        _ => {}
    }
}

fn says_nothing(schema: &serde_json::Map<String, Value>) -> bool {
    schema.keys().all(|keyword| keyword == "description")
}

/// Returns a schema with those that it refers to and consists of.
fn branches<'a>(document: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let (mut all, mut waiting) = (Vec::new(), vec![schema]);
    while let Some(schema) = waiting.pop() {
        if let Some(reference) = schema["$ref"].as_str() {
            let target = document.pointer(reference.trim_start_matches('#'));
            waiting.push(target.unwrap_or_else(|| panic!("{reference} leads nowhere")));
            continue;
        }
        for keyword in ["allOf", "anyOf", "oneOf"] {
            waiting.extend(schema[keyword].as_array().into_iter().flatten());
        }
        all.push(schema);
    }
    all
}
