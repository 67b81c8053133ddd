//! The contract that a caller and a worker share: [`Job`].

use crate::payload::Encoding;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// A unit of work that a worker executable offers: its name, its version and its types.
///
/// The caller and the worker are built, shipped and replaced independently. Therefore name, version and
/// schema hash are compared in the handshake: a mismatch fails the start instead of decoding garbage.
///
/// ```
/// use procpool_protocol::Job;
///
/// struct Fib;
/// impl Job for Fib {
///     const NAME: &'static str = "fib";
///     type Input = u64;
///     type Output = u64;
/// }
/// ```
pub trait Job: 'static {
    /// The job's name. It is also the thread name that `ps` and `top` show, cut to 15 bytes.
    const NAME: &'static str;
    /// The contract's version. Raise it when the bytes of input or output change their meaning.
    const VERSION: u32 = 1;
    /// Version of the worker executable's own package, for people: `Some(env!("CARGO_PKG_VERSION"))` in the
    /// package that has the executable. Displayed and never compared.
    const BUILD: Option<&'static str> = None;
    /// Whether a job that may have run already may be run again. The pool's configuration overrides it, and a
    /// job's own options override both.
    const IDEMPOTENT: bool = false;
    /// The encoding of typed values between Rust programs. If the pool's workers do not read bincode, as
    /// those of other languages, JSON is used automatically.
    ///
    /// [`Encoding::Json`] is for types that bincode cannot carry, because it has neither names nor kinds:
    /// - with `flatten`, `untagged`, `tag`, `tag` and `content`, or a `serde_json::Value`: the pool does not
    ///   start;
    /// - with `skip_serializing_if`, or with fields or variants that are skipped in one direction only:
    ///   encoding a value in which that matters is an error.
    ///
    /// Either error names the type and says so ([`carriage`](crate::carriage)). JSON has no NaN and no
    /// infinity, and rejects them. `Some(None)` and `Some(())` are `null` in JSON, and arrive as `None`.
    const ENCODING: Encoding = Encoding::Bincode;
    /// The input of the function.
    type Input: Serialize + DeserializeOwned + Send + 'static;
    /// The output of the function.
    type Output: Serialize + DeserializeOwned + Send + 'static;

    /// Returns JSON Schemas of input and output, so that a server can describe the pool without knowing its
    /// types. Called only when a client requests them. The crate `schemars` derives them from types.
    ///
    /// ```
    /// use procpool_protocol::{Job, Schema, job};
    /// use serde_json::json;
    ///
    /// job!(Fib, "fib", u64 => u64 {
    ///     fn schema() -> Option<Schema> {
    ///         let input = json!({"type": "integer", "minimum": 0, "maximum": 93});
    ///         Some(Schema::new(input, json!({"type": "integer"})))
    ///     }
    /// });
    /// assert!(Fib::schema().is_some_and(|schema| schema.input["maximum"] == 93));
    /// ```
    fn schema() -> Option<Schema> {
        None
    }
}

/// A [`Job`] that emits chunks of output while it runs.
///
/// ```
/// use procpool_protocol::{Job, Streaming, job};
///
/// struct Tail;
/// impl Job for Tail {
///     const NAME: &'static str = "tail";
///     type Input = String;
///     type Output = ();
/// }
/// impl Streaming for Tail {
///     type Chunk = String;
/// }
///
/// // The same in a line.
/// job!(Tail2, "tail", String => (), chunks String);
/// ```
pub trait Streaming: Job {
    /// One piece of the streamed output.
    type Chunk: Serialize + DeserializeOwned + Send + 'static;
}

/// JSON Schemas of a job, written by `schemars` or by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Schema {
    /// Schema of the input.
    pub input: Value,
    /// Schema of the output.
    pub output: Value,
}

impl Schema {
    /// Returns the schemas of an input and an output.
    pub fn new(input: Value, output: Value) -> Self {
        Self { input, output }
    }

    /// Returns a hash that differs when the schemas do: FNV-1a, 64 bits, over their canonical JSON. That has
    /// no spaces, sorts keys by their bytes, and has input and output on one line each. The hash is not
    /// cryptographic: the two sides of a handshake trust each other, but may come from different builds.
    pub fn hash(&self) -> String {
        let mut text = String::new();
        write_canonical(&self.input, &mut text);
        text.push('\n');
        write_canonical(&self.output, &mut text);
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{hash:016x}")
    }
}

/// Writes JSON with sorted keys. `serde_json` alone sorts them only if no package of the build enables its
/// `preserve_order`. Worker and caller are two builds.
fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                separate(index, out);
                write_canonical(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|&(key, _)| key);
            out.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                separate(index, out);
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_canonical(value, out);
            }
            out.push('}');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

fn separate(index: usize, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
}
