//! Which jobs an order is about, as a person writes it: `pool=fib state=queued`.

use serde_json::{Map, Value};
use std::str::FromStr;

/// Conditions on jobs, all of which must hold. The server knows which names there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter(Vec<(String, String)>);

/// A text is not a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFilter {
    /// There is no condition in it.
    #[error("there is no condition in it; write for example 'pool=fib state=queued'")]
    Empty,
    /// A word is no condition.
    #[error("`{0}` is not a condition such as pool=fib or state=queued")]
    Word(String),
    /// A condition stands there twice.
    #[error("`{0}` stands there more than once")]
    Twice(String),
}

impl Filter {
    /// Adds a condition, if there is a value.
    #[must_use]
    pub fn and(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            self.0.push((name.into(), value.into()));
        }
        self
    }

    /// Returns the conditions.
    pub fn conditions(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the filter as a JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let pairs = self.0.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
        Value::Object(pairs.collect::<Map<_, _>>())
    }
}

impl FromStr for Filter {
    type Err = InvalidFilter;

    fn from_str(text: &str) -> Result<Self, InvalidFilter> {
        let mut filter = Self::default();
        for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
            let pair = word.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty());
            let (name, value) = pair.ok_or_else(|| InvalidFilter::Word(word.into()))?;
            if filter.conditions().any(|(earlier, _)| earlier == name) {
                return Err(InvalidFilter::Twice(name.into()));
            }
            filter = filter.and(name, Some(value));
        }
        if filter.0.is_empty() { Err(InvalidFilter::Empty) } else { Ok(filter) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_stand_beside_each_other() {
        let filter: Filter = "pool=fib  state=queued".parse().unwrap();
        assert_eq!(filter.to_json().to_string(), r#"{"pool":"fib","state":"queued"}"#);
        assert_eq!("pool=fib,state=queued".parse(), Ok(filter));
    }

    #[test]
    fn what_is_no_condition_is_named_and_nothing_selects_everything_by_mistake() {
        assert_eq!("pool=fib queued".parse::<Filter>(), Err(InvalidFilter::Word("queued".into())));
        assert_eq!("pool=".parse::<Filter>(), Err(InvalidFilter::Word("pool=".into())));
        assert_eq!("a=1 a=2".parse::<Filter>(), Err(InvalidFilter::Twice("a".into())));
        for text in ["", "  ", ","] {
            assert_eq!(text.parse::<Filter>(), Err(InvalidFilter::Empty));
        }
    }
}
