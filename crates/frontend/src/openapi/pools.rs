//! A path for each pool, with the types of its job. Without usable schemas the path takes and gives any JSON, as the general
//! one does.

use super::names::{Names, Side};
use super::schema::copied;
use super::skeleton;
use http::Method;
use procpool_protocol::engine::PoolSchemas;
use procpool_protocol::limits::MAX_JSON;
use serde_json::{Map, Value, json};

/// The general path of a pool's jobs.
const GENERAL: &str = "/v1/pools/{pool}/jobs";

/// Maximum number of pools that have a path of their own.
const MAX_POOLS: usize = 500;

/// Maximum number of bytes of names and texts of all workers' schemas.
const MAX_BYTES: usize = 1024 * 1024;

/// Adds the pools to a document. Returns what was left out, with the pool that is to blame.
pub(super) fn add_all<'a>(
    document: &mut Value,
    pools: impl Iterator<Item = (&'a str, Option<&'a PoolSchemas>)>,
) -> Vec<(&'a str, String)> {
    let Some(general) = skeleton::operation(document, GENERAL, &Method::POST).cloned() else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    let mut room = MAX_BYTES;
    for (index, (pool, schemas)) in pools.enumerate() {
        if index >= MAX_POOLS || !is_plain(pool) {
            let fault = format!(
                "it has no path of its own: its name is unusual, or there are more than {MAX_POOLS} pools"
            );
            faults.push((pool, fault));
            continue;
        }
        let mut types = Types::of(pool, schemas);
        if types.bytes > room {
            types = Types::default();
            types.faults.push("its schemas are left out: those of other pools take all the room".into());
        }
        room -= types.bytes;
        faults.extend(types.faults.drain(..).map(|fault| (pool, fault)));
        add(document, pool, &general, types);
    }
    faults
}

/// Returns what is wrong with the schemas of a pool's job: for each fault a sentence that names the schema.
///
/// ```
/// use procpool_protocol::engine::PoolSchemas;
///
/// let mut schemas = PoolSchemas::default();
/// schemas.input = Some(serde_json::json!({ "type": "float" }));
/// let faults = procpool_frontend::schema_faults("fib", &schemas);
/// assert!(faults[0].contains("the input schema") && faults[0].contains("`/type`"));
/// ```
#[must_use]
pub fn schema_faults(pool: &str, schemas: &PoolSchemas) -> Vec<String> {
    Types::of(pool, Some(schemas)).faults
}

/// The usable schemas of a pool's job.
#[derive(Debug, Default)]
struct Types {
    components: Vec<(String, Value)>,
    /// References to both of them.
    input: Option<Value>,
    output: Option<Value>,
    faults: Vec<String>,
    bytes: usize,
}

impl Types {
    fn of(pool: &str, schemas: Option<&PoolSchemas>) -> Self {
        let mut types = Self::default();
        let Some(PoolSchemas { input, output, hash, .. }) = schemas else { return types };
        if hash.is_some() && input.is_none() && output.is_none() {
            let size = MAX_JSON / 1024;
            types.faults.push(format!(
                "the schemas are left out: the worker has some and did not send them, as it does if both together have \
                 more than {size} KiB"
            ));
        }
        let [of_input, of_output] = Names::of_pool(pool, input.as_ref(), output.as_ref());
        types.input = types.take(Side::Input, input.as_ref(), &of_input);
        types.output = types.take(Side::Output, output.as_ref(), &of_output);
        types
    }

    /// Takes a schema. Returns a reference to it, unless it cannot be used.
    fn take(&mut self, side: Side, schema: Option<&Value>, names: &Names) -> Option<Value> {
        match copied(schema?, names) {
            Ok(copied) => {
                let side = side.name();
                let faults = copied.dropped.into_iter();
                self.faults.extend(faults.map(|it| format!("a part of the {side} schema is left out: {it}")));
                self.components.extend(copied.components);
                self.bytes += copied.bytes;
                Some(json!({ "$ref": names.reference(&[]) }))
            }
            Err(unusable) => {
                self.faults.push(format!("the {} schema is left out: {unusable}", side.name()));
                None
            }
        }
    }
}

fn add(document: &mut Value, pool: &str, general: &Value, types: Types) {
    let mut operation = general.clone();
    operation["operationId"] = format!("runJob_{pool}").into();
    operation["summary"] = format!("Run a job of the pool `{pool}`").into();
    if let Some(Value::Array(parameters)) = operation.get_mut("parameters") {
        parameters.retain(|parameter| parameter["$ref"] != "#/components/parameters/pool");
    }
    if let Some(input) = types.input {
        operation["requestBody"]["content"] = json!({ "application/json": { "schema": input } });
    }
    if let Some(output) = types.output {
        let content = &mut operation["responses"]["200"]["content"];
        content["application/json"] = json!({ "schema": output });
        // It has a type, so it is no other JSON and no bytes.
        if let Some(content) = content.as_object_mut() {
            content.retain(|name, _| !["application/octet-stream", "*/*"].contains(&name.as_str()));
        }
    }
    document["paths"][format!("/v1/pools/{pool}/jobs")] = json!({ "post": operation });
    let schemas = document["components"]["schemas"].as_object_mut();
    schemas.unwrap_or(&mut Map::new()).extend(types.components);
}

/// Returns whether a name can stand in a path and among the components as it is.
fn is_plain(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schemas(input: Value, output: Value) -> PoolSchemas {
        let mut schemas = PoolSchemas::default();
        (schemas.input, schemas.output) = (Some(input), Some(output));
        schemas
    }

    fn document(pools: &[(&str, Option<&PoolSchemas>)]) -> (Value, Vec<String>) {
        let mut document = skeleton::with_security(false);
        let faults = add_all(&mut document, pools.iter().copied());
        (document, faults.into_iter().map(|(pool, fault)| format!("{pool}: {fault}")).collect())
    }

    #[test]
    fn a_pool_has_a_path_with_its_types() {
        let fib = schemas(json!({ "type": "integer" }), json!({ "type": "string" }));
        let (document, faults) = document(&[("fib", Some(&fib)), ("ping", None)]);
        assert!(faults.is_empty(), "{faults:?}");
        let post = &document["paths"]["/v1/pools/fib/jobs"]["post"];
        let input = &post["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(input, &json!({ "$ref": "#/components/schemas/fib.input" }));
        let content = post["responses"]["200"]["content"].as_object().unwrap();
        assert_eq!(
            content["application/json"]["schema"],
            json!({ "$ref": "#/components/schemas/fib.output" })
        );
        assert!(!content.contains_key("*/*") && content.contains_key("text/event-stream"));
        assert_eq!(document["components"]["schemas"]["fib.output"], json!({ "type": "string" }));
        assert!(post["responses"]["504"].is_object() && post["operationId"] == "runJob_fib");
        let ping = &document["paths"]["/v1/pools/ping/jobs"]["post"];
        assert!(ping["requestBody"]["content"]["application/octet-stream"].is_object());
    }

    #[test]
    fn a_pool_whose_schema_is_none_is_there_without_it() {
        let bad = schemas(json!({ "type": "float" }), json!({ "$ref": "https://example.org" }));
        let (document, faults) = document(&[("bad", Some(&bad))]);
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(
            faults[0].starts_with("bad: the input schema is left out: it is no JSON Schema: `/type`"),
            "{faults:?}"
        );
        let post = &document["paths"]["/v1/pools/bad/jobs"]["post"];
        assert_eq!(post["requestBody"]["content"]["application/json"]["schema"], json!({}));
        assert_eq!(document["components"]["schemas"].get("bad.input"), None);
        assert_eq!(document["components"]["schemas"]["bad.output"], json!({}));
    }

    #[test]
    fn schemas_that_a_worker_could_not_send_are_named() {
        let mut large = PoolSchemas::default();
        large.hash = Some("0123456789abcdef".into());
        let (document, faults) = document(&[("large", Some(&large))]);
        assert!(faults[0].starts_with("large: the schemas are left out: the worker has some"), "{faults:?}");
        assert!(document["paths"]["/v1/pools/large/jobs"].is_object());
        let null = schemas(Value::Null, json!(true));
        let fault = &schema_faults("null", &null)[0];
        assert!(fault.contains("the input schema is left out: it is no JSON Schema: `/` needs"), "{fault}");
    }

    #[test]
    fn all_schemas_together_are_bounded() {
        let large = schemas(json!({ "const": "x".repeat(60_000) }), json!(true));
        let names: Vec<String> = (0..MAX_POOLS + 1).map(|number| format!("p{number}")).collect();
        let pools: Vec<_> = names.iter().map(|name| (name.as_str(), Some(&large))).collect();
        let (document, faults) = document(&pools);
        assert_eq!(faults.len(), pools.len() - MAX_BYTES / 60_000, "{faults:?}");
        assert!(document["paths"]["/v1/pools/p499/jobs"].is_object());
        assert!(document["paths"].get("/v1/pools/p500/jobs").is_none());
        assert!(document.to_string().len() < 4 * 1024 * 1024, "{}", document.to_string().len());
    }

    #[test]
    fn a_name_that_is_no_path_has_none() {
        let (document, faults) = document(&[("a/b", None), ("a.b", None), ("", None)]);
        assert_eq!(faults.len(), 3);
        assert_eq!(
            document["paths"].as_object().unwrap().len(),
            skeleton::with_security(false)["paths"].as_object().unwrap().len()
        );
    }
}
