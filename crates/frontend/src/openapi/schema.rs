//! Copies a worker's schema into the document. Workers write schemas, so nothing about one is taken on trust: not its size,
//! not its depth, not that it is one, and not where its references lead.

use super::keywords::Keyword;
use super::names::{DEFINITIONS, Names};
use super::references::resolved;
use serde_json::{Map, Value};
use std::fmt;

/// Maximum nesting of a schema.
const MAX_DEPTH: usize = 40;

/// Maximum number of values in a schema.
pub(super) const MAX_VALUES: usize = 5_000;

/// Maximum number of bytes of a schema's names and texts.
const MAX_BYTES: usize = 64 * 1024;

/// Maximum length of a title or description, in characters.
const MAX_PROSE: usize = 2_000;

/// Maximum length of a pattern or format, in bytes.
const MAX_WORD: usize = 500;

/// A schema as it stands in the document.
#[derive(Debug)]
pub(super) struct Copied {
    /// The schema first, then its definitions.
    pub(super) components: Vec<(String, Value)>,
    /// The parts that were left out of it.
    pub(super) dropped: Vec<String>,
    /// Its size: the bytes of names and texts.
    pub(super) bytes: usize,
}

/// Why a schema cannot stand in the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It is no schema.
    NotASchema {
        at: String,
        needed: &'static str,
    },
    TooDeep,
    TooManyValues,
    TooLong,
}

impl fmt::Display for Unusable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotASchema { at, needed } => write!(out, "it is no JSON Schema: `{at}` needs {needed}"),
            Self::TooDeep => write!(out, "it is nested deeper than {MAX_DEPTH} levels"),
            Self::TooManyValues => write!(out, "it has more than {MAX_VALUES} values"),
            Self::TooLong => write!(out, "it has more than {} KiB of text", MAX_BYTES / 1024),
        }
    }
}

/// Copies a schema and its definitions, under these names.
pub(super) fn copied(schema: &Value, names: &Names) -> Result<Copied, Unusable> {
    let mut copying =
        Copying { root: schema, names, way: Vec::new(), values: 0, bytes: 0, dropped: Vec::new() };
    let mut root = copying.schema(schema)?;
    let mut components = Vec::new();
    for place in DEFINITIONS {
        let defined = root.as_object_mut().and_then(|root| root.remove(place));
        let Some(Value::Object(defined)) = defined else { continue };
        let named = defined.into_iter().map(|(name, schema)| (names.definition(place, &name), schema));
        components.extend(named.filter_map(|(name, schema)| Some((name?.to_owned(), schema))));
    }
    components.insert(0, (names.root().to_owned(), root));
    Ok(Copied { components, dropped: copying.dropped, bytes: copying.bytes })
}

struct Copying<'a> {
    root: &'a Value,
    names: &'a Names,
    /// The way to the value in hand.
    way: Vec<&'a str>,
    values: usize,
    bytes: usize,
    dropped: Vec<String>,
}

impl<'a> Copying<'a> {
    fn schema(&mut self, schema: &'a Value) -> Result<Value, Unusable> {
        self.count(0)?;
        match schema {
            Value::Bool(_) => Ok(schema.clone()),
            Value::Object(members) => {
                let mut copy = Map::new();
                for (name, value) in members {
                    let Some(keyword) = Keyword::named(name) else { continue };
                    self.way.push(name);
                    if let Some(value) = self.keyword(keyword, value)? {
                        copy.insert(name.clone(), value);
                    }
                    self.way.pop();
                }
                Ok(Value::Object(copy))
            }
            _ => Err(self.fault("an object, true or false")),
        }
    }

    /// Copies the value of a keyword, or drops it.
    fn keyword(&mut self, keyword: Keyword, value: &'a Value) -> Result<Option<Value>, Unusable> {
        if let Some(needed) = keyword.fault(value) {
            return Err(self.fault(needed));
        }
        Ok(Some(match (keyword, value) {
            // One for each item, as in earlier versions of JSON Schema.
            (Keyword::Schema, Value::Array(_)) if self.way.last() == Some(&"items") => {
                return Ok(self.drop("is an array, which is `prefixItems` in JSON Schema 2020-12"));
            }
            (Keyword::Schema, schema) => self.schema(schema)?,
            (Keyword::Schemas, Value::Array(schemas)) if !schemas.is_empty() => {
                schemas.iter().map(|schema| self.schema(schema)).collect::<Result<_, _>>()?
            }
            (Keyword::Schemas, _) => return Err(self.fault("an array of schemas that is not empty")),
            (Keyword::Named, Value::Object(schemas)) => {
                let mut copy = Map::new();
                for (name, schema) in schemas {
                    self.count(name.len())?;
                    self.way.push(name);
                    copy.insert(name.clone(), self.schema(schema)?);
                    self.way.pop();
                }
                Value::Object(copy)
            }
            (Keyword::Named, _) => return Err(self.fault("an object of schemas")),
            (Keyword::Reference, Value::String(reference)) => match resolved(self.root, reference) {
                Some(way) => {
                    self.count(reference.len())?;
                    self.names.reference(&way).into()
                }
                None => {
                    return Ok(
                        self.drop(&format!("`{reference:.100}` leads to no schema within the same one"))
                    );
                }
            },
            (Keyword::Prose, Value::String(text)) => {
                self.count(text.len().min(MAX_PROSE))?;
                plain(text).into()
            }
            (Keyword::Word, Value::String(word)) if word.len() > MAX_WORD => {
                return Ok(self.drop(&format!("has more than {MAX_WORD} bytes")));
            }
            (keyword, value) if keyword.is_excessive(value) => return Ok(self.drop("asks for too much")),
            (_, value) if names_another(value) => {
                return Ok(self.drop("has a `$ref` in it, which programs could follow"));
            }
            (_, value) => self.data(value)?,
        }))
    }

    /// Copies a value that is no schema.
    fn data(&mut self, value: &Value) -> Result<Value, Unusable> {
        self.data_within(value, self.way.len())
    }

    fn data_within(&mut self, value: &Value, depth: usize) -> Result<Value, Unusable> {
        self.count(value.as_str().map_or(0, str::len))?;
        if depth > MAX_DEPTH {
            return Err(Unusable::TooDeep);
        }
        match value {
            Value::Array(items) => items.iter().map(|item| self.data_within(item, depth + 1)).collect(),
            Value::Object(members) => {
                let mut copy = Map::new();
                for (name, value) in members {
                    self.count(name.len())?;
                    copy.insert(name.clone(), self.data_within(value, depth + 1)?);
                }
                Ok(Value::Object(copy))
            }
            value => Ok(value.clone()),
        }
    }

    /// Counts a value with this much text.
    fn count(&mut self, bytes: usize) -> Result<(), Unusable> {
        (self.values, self.bytes) = (self.values + 1, self.bytes + bytes);
        match () {
            () if self.way.len() > MAX_DEPTH => Err(Unusable::TooDeep),
            () if self.values > MAX_VALUES => Err(Unusable::TooManyValues),
            () if self.bytes > MAX_BYTES => Err(Unusable::TooLong),
            () => Ok(()),
        }
    }

    fn fault(&self, needed: &'static str) -> Unusable {
        Unusable::NotASchema { at: self.place(), needed }
    }

    /// Leaves the keyword in hand out.
    fn drop(&mut self, why: &str) -> Option<Value> {
        // One line is enough for who has to mend it.
        if self.dropped.len() < 10 {
            let dropped = format!("`{}` {why}", self.place());
            self.dropped.push(dropped);
        }
        None
    }

    fn place(&self) -> String {
        let whole = format!("/{}", self.way.join("/"));
        whole.chars().take(200).collect()
    }
}

/// Returns whether a program that looks for references without knowing schemas finds one in a value.
fn names_another(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(names_another),
        Value::Object(members) => members.contains_key("$ref") || members.values().any(names_another),
        _ => false,
    }
}

/// Returns a text without the marks that Markdown makes links, pictures and HTML of: pages show it as Markdown.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars().take(MAX_PROSE) {
        if matches!(c, '<' | '[' | ']' | '&' | '\\') {
            plain.push('\\');
        }
        plain.push(c);
    }
    plain
}

#[cfg(test)]
mod tests;
