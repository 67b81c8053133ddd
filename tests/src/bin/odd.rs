//! A worker whose schemas are none of JSON Schema, and lead elsewhere. Its job is not odd.

use procpool::worker::serve;
use procpool::{Job, Schema};
use serde_json::json;
use std::process::ExitCode;

struct Odd;

impl Job for Odd {
    const NAME: &'static str = "odd";
    type Input = u64;
    type Output = u64;

    fn schema() -> Option<Schema> {
        let elsewhere = json!({ "type": "integer", "$ref": "https://example.org/number" });
        Some(Schema::new(json!({ "properties": { "n": { "type": "float" } } }), elsewhere))
    }
}

fn main() -> ExitCode {
    serve::<Odd>(|n, _| Ok(n + 1))
}
