//! The keywords of JSON Schema 2020-12 that a worker's schema may have in the document, and what the value of each has to
//! be. Others are left out: those that name other documents, and those that mean something to nobody else.

use serde_json::Value;

/// The kind of value that a keyword has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    /// A schema.
    Schema,
    /// A list of schemas.
    Schemas,
    /// Schemas by name.
    Named,
    /// A reference.
    Reference,
    /// Any value.
    Data,
    /// A list of any values.
    List,
    /// A text for people.
    Prose,
    /// A short text for programs.
    Word,
    Number,
    /// A number above zero.
    Step,
    /// A number of characters, items or members that there are at least.
    Minimum,
    /// The same at most.
    Maximum,
    Flag,
    Words,
    /// Lists of words by name.
    NamedWords,
    /// Types of values.
    Types,
}

/// Maximum of a [`Keyword::Minimum`]. A page that makes up an example makes one of that length.
const LARGEST_MINIMUM: u64 = 1000;

/// The types of values.
const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

impl Keyword {
    /// Returns what is known of a keyword.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "additionalProperties"
            | "contains"
            | "contentSchema"
            | "else"
            | "if"
            | "items"
            | "not"
            | "propertyNames"
            | "then"
            | "unevaluatedItems"
            | "unevaluatedProperties" => Self::Schema,
            "allOf" | "anyOf" | "oneOf" | "prefixItems" => Self::Schemas,
            "$defs" | "definitions" | "dependentSchemas" | "patternProperties" | "properties" => Self::Named,
            "$ref" => Self::Reference,
            "const" | "default" => Self::Data,
            "enum" | "examples" => Self::List,
            "title" | "description" | "$comment" => Self::Prose,
            "format" | "pattern" | "contentEncoding" | "contentMediaType" => Self::Word,
            "maximum" | "minimum" | "exclusiveMaximum" | "exclusiveMinimum" => Self::Number,
            "multipleOf" => Self::Step,
            "minContains" | "minItems" | "minLength" | "minProperties" => Self::Minimum,
            "maxContains" | "maxItems" | "maxLength" | "maxProperties" => Self::Maximum,
            "deprecated" | "readOnly" | "uniqueItems" | "writeOnly" => Self::Flag,
            "required" => Self::Words,
            "dependentRequired" => Self::NamedWords,
            "type" => Self::Types,
            _ => return None,
        })
    }

    /// Returns what a keyword without schemas in it needs, if this value is not that.
    pub(super) fn fault(self, value: &Value) -> Option<&'static str> {
        let (fits, needed) = match self {
            Self::Prose | Self::Word | Self::Reference => (value.is_string(), "a string"),
            Self::Number => (value.is_number(), "a number"),
            Self::Step => (value.as_f64().is_some_and(|step| step > 0.0), "a number above zero"),
            Self::Minimum | Self::Maximum => (is_count(value), "a whole number that is not negative"),
            Self::Flag => (value.is_boolean(), "true or false"),
            Self::List => (value.is_array(), "an array"),
            Self::Words => (are_words(value), "an array of strings"),
            Self::NamedWords => (
                value.as_object().is_some_and(|them| them.values().all(are_words)),
                "an object of arrays of strings",
            ),
            Self::Types => (are_types(value), "a type or an array of different types"),
            Self::Schema | Self::Schemas | Self::Named | Self::Data => (true, ""),
        };
        (!fits).then_some(needed)
    }

    /// Returns whether a value that fits is of no use to anybody, and could do harm.
    pub(super) fn is_excessive(self, value: &Value) -> bool {
        self == Self::Minimum && value.as_f64().is_some_and(|least| least > LARGEST_MINIMUM as f64)
    }
}

/// Whole numbers may be written with a fraction of zero.
fn is_count(value: &Value) -> bool {
    value.as_f64().is_some_and(|number| number >= 0.0 && number.fract() == 0.0)
}

fn are_words(value: &Value) -> bool {
    value.as_array().is_some_and(|words| words.iter().all(Value::is_string))
}

fn are_types(value: &Value) -> bool {
    let is_type = |value: &Value| value.as_str().is_some_and(|name| TYPES.contains(&name));
    match value {
        Value::Array(types) => {
            let is_first = |(at, one): (usize, &Value)| !types[..at].contains(one);
            !types.is_empty()
                && types.len() <= TYPES.len()
                && types.iter().all(is_type)
                && types.iter().enumerate().all(is_first)
        }
        one => is_type(one),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fits(name: &str, value: &Value) -> bool {
        Keyword::named(name).unwrap().fault(value).is_none()
    }

    #[test]
    fn each_keyword_takes_its_kind_of_value() {
        for (name, good, bad) in [
            ("type", json!("integer"), json!("float")),
            ("type", json!(["string", "null"]), json!(["string", "string"])),
            ("type", json!(["null"]), json!([])),
            ("required", json!([]), json!("a")),
            ("minLength", json!(3), json!(-1)),
            ("maxItems", json!(3.0), json!(0.5)),
            ("multipleOf", json!(0.1), json!(0)),
            ("minimum", json!(-1.5), json!("1")),
            ("uniqueItems", json!(true), json!(1)),
            ("enum", json!([1, "a"]), json!({})),
            ("dependentRequired", json!({ "a": ["b"] }), json!({ "a": "b" })),
            ("description", json!(""), json!(null)),
            ("$ref", json!("#"), json!({ "$ref": "#" })),
        ] {
            assert!(fits(name, &good), "{name} {good}");
            assert!(!fits(name, &bad), "{name} {bad}");
        }
    }

    #[test]
    fn what_leads_elsewhere_or_is_unknown_is_no_keyword() {
        for name in
            ["$id", "$schema", "$anchor", "$dynamicRef", "discriminator", "externalDocs", "x-anything", ""]
        {
            assert_eq!(Keyword::named(name), None, "{name}");
        }
    }

    #[test]
    fn an_example_of_a_million_items_is_not_asked_for() {
        assert!(
            Keyword::Minimum.is_excessive(&json!(1_000_000)) && !Keyword::Minimum.is_excessive(&json!(1000))
        );
        assert!(!Keyword::Maximum.is_excessive(&json!(1_000_000)));
    }
}
