//! The fixed part of the document: the pieces in `assets/openapi`, with the answers that every route has and with the scope
//! that the map of routes names. Does not: know pools.

use crate::access::Access;
use crate::kind::Kind;
use crate::routes::routes;
use http::Method;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// The pieces, the first one with what is no list.
const PIECES: &[&str] = &[
    include_str!("../../assets/openapi/document.json"),
    include_str!("../../assets/openapi/parameters.json"),
    include_str!("../../assets/openapi/responses.json"),
    include_str!("../../assets/openapi/problems.json"),
    include_str!("../../assets/openapi/schemas.json"),
    include_str!("../../assets/openapi/jobs.json"),
    include_str!("../../assets/openapi/schedules.json"),
    include_str!("../../assets/openapi/pools.json"),
    include_str!("../../assets/openapi/hosts.json"),
    include_str!("../../assets/openapi/deaths.json"),
    include_str!("../../assets/openapi/debugging.json"),
    include_str!("../../assets/openapi/server.json"),
    include_str!("../../assets/openapi/dashboard.json"),
    #[cfg(feature = "docs-ui")]
    include_str!("../../assets/openapi/docs.json"),
];

/// In a piece, the statuses of the problems that an operation answers with, beside those of [`EVERYWHERE`].
const PROBLEMS: &str = "x-problems";

/// The statuses of problems that every operation may answer with: the head is malformed, a foreign page asks, the server has
/// a bug or too much in hand.
const EVERYWHERE: [u16; 4] = [400, 403, 500, 503];

/// Returns the document without pools, for a server with tokens or without.
pub(super) fn with_security(has_tokens: bool) -> Value {
    static PLAIN: LazyLock<Value> = LazyLock::new(merged);
    let mut document = PLAIN.clone();
    for (method, path, access) in routes() {
        if let Some(Value::Object(operation)) = operation(&mut document, path, &method) {
            complete(operation, access, has_tokens);
        }
    }
    document
}

/// Returns an operation of the document.
pub(super) fn operation<'a>(document: &'a mut Value, path: &str, method: &Method) -> Option<&'a mut Value> {
    document.get_mut("paths")?.get_mut(path)?.get_mut(method.as_str().to_ascii_lowercase())
}

/// The pieces are part of the program, and a test reads them.
fn merged() -> Value {
    let mut document = Value::Object(Map::new());
    for piece in PIECES {
        merge(&mut document, serde_json::from_str(piece).unwrap_or_default());
    }
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    let types: Vec<String> = Kind::ALL.iter().map(|kind| format!("/problems/{}", kind.name())).collect();
    document["components"]["schemas"]["Problem"]["properties"]["type"]["enum"] = json!(types);
    document
}

/// Adds the members of another value, in every depth.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

/// Adds the problems of an operation, and what it asks of its client.
fn complete(operation: &mut Map<String, Value>, access: Access, has_tokens: bool) {
    let own = operation.remove(PROBLEMS).unwrap_or_default();
    let own = own.as_array().into_iter().flatten().filter_map(Value::as_u64);
    let asks = if access == Access::Open { None } else { Some(401) };
    let all = own.chain(EVERYWHERE.map(u64::from)).chain(asks);
    if let Some(Value::Object(responses)) = operation.get_mut("responses") {
        for status in all {
            let reference = json!({ "$ref": format!("#/components/responses/{status}") });
            responses.entry(status.to_string()).or_insert(reference);
        }
    }
    operation.insert("security".into(), security(access, has_tokens));
}

/// Returns the alternatives of which a client needs one. An empty one is for processes that the kernel vouches for.
fn security(access: Access, has_tokens: bool) -> Value {
    match access {
        Access::Needs(scope) if has_tokens => json!([{ "bearer": [scope.name()] }]),
        Access::Needs(scope) if scope.is_of_operators() => json!([{}, { "bearer": [scope.name()] }]),
        _ => json!([]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn each_operation(document: &Value) -> impl Iterator<Item = (String, &Value)> {
        let paths = document["paths"].as_object().unwrap().iter();
        paths.flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().iter();
            methods.map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
        })
    }

    #[test]
    fn every_piece_is_json() {
        for piece in PIECES {
            assert!(serde_json::from_str::<Map<String, Value>>(piece).is_ok(), "{piece:.60}");
        }
    }

    #[test]
    fn the_document_has_every_route_and_no_other() {
        let document = with_security(false);
        let described: BTreeSet<String> = each_operation(&document).map(|(name, _)| name).collect();
        let routed: BTreeSet<String> = routes().map(|(method, path, _)| format!("{method} {path}")).collect();
        let missing: Vec<_> = routed.difference(&described).collect();
        assert!(missing.is_empty(), "describe in crates/frontend/assets/openapi: {missing:?}");
        let unknown: Vec<_> = described.difference(&routed).collect();
        assert!(
            unknown.is_empty(),
            "described in crates/frontend/assets/openapi without a route: {unknown:?}"
        );
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_component_is_referred_to() {
        let document = with_security(true);
        let mut references = BTreeSet::new();
        let mut waiting = vec![&document];
        while let Some(value) = waiting.pop() {
            match value {
                Value::Object(members) => {
                    waiting.extend(members.values());
                    references.extend(members.get("$ref").and_then(Value::as_str));
                }
                Value::Array(items) => waiting.extend(items),
                _ => {}
            }
        }
        for reference in &references {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
        for section in ["parameters", "headers", "responses", "schemas"] {
            for name in document["components"][section].as_object().unwrap().keys() {
                let reference = format!("#/components/{section}/{name}");
                // Every route of GET takes HEAD, and no operation tells of a wrong method.
                assert!(name == "405" || references.contains(&*reference), "{reference} is of no use");
            }
        }
    }

    #[test]
    fn operations_have_names_of_their_own_and_the_parameters_of_their_paths() {
        let document = with_security(false);
        let mut names = BTreeSet::new();
        for (name, operation) in each_operation(&document) {
            assert!(names.insert(operation["operationId"].as_str().unwrap()), "{name}");
            let given: BTreeSet<_> = operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|it| {
                    let it = it["$ref"].as_str().and_then(|it| document.pointer(&it[1..])).unwrap_or(it);
                    (it["in"] == "path").then(|| it["name"].as_str().unwrap())
                })
                .collect();
            let asked: BTreeSet<_> =
                name.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
            assert_eq!(given, asked, "{name}");
        }
    }

    #[test]
    fn a_route_asks_for_its_scope_where_there_are_tokens() {
        let (with, without) = (with_security(true), with_security(false));
        let of =
            |document: &Value, path: &str, method: &str| document["paths"][path][method]["security"].clone();
        assert_eq!(of(&with, "/v1/pools", "get"), json!([{ "bearer": ["read"] }]));
        assert_eq!(of(&without, "/v1/pools", "get"), json!([]));
        assert_eq!(of(&with, "/livez", "get"), json!([]));
        assert_eq!(of(&without, "/v1/pools/{pool}", "patch"), json!([{}, { "bearer": ["operate"] }]));
        assert!(with["paths"]["/v1/pools"]["get"]["responses"]["401"].is_object());
        assert!(with["paths"]["/livez"]["get"]["responses"].get("401").is_none());
        assert!(with["paths"]["/v1/pools"]["get"].get(PROBLEMS).is_none());
    }
}
