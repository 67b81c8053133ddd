//! Checks whether bincode can carry a type or a value. bincode is positional: a reader finds a value's parts
//! by their order alone, without names and without kinds. Therefore a type that omits a part, or inspects the
//! data to choose, arrives as another value or not at all.
//!
//! [`check`] runs a type's `Deserialize` before there is a value, and stores the result (`shape.rs`). Every
//! value is then compared with that while it is written (`strict.rs`, `rules.rs`). Does not: know bincode
//! itself; that is `codec.rs`.

mod choices;
mod probe;
mod rules;
mod shape;
mod strict;

pub(crate) use rules::{Complete, Numeric};
use serde::de::DeserializeOwned;
pub(crate) use shape::{Shape, UNKNOWN};
use std::any::{TypeId, type_name};
use std::cell::Cell;
use std::sync::{PoisonError, RwLock};
pub(crate) use strict::Strict;

/// A type or a value that bincode cannot carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "bincode cannot carry `{type_name}`: {reason}; let it travel as JSON, with `const ENCODING: Encoding = Encoding::Json` \
     in its `Job`, or `encoding(Encoding::Json)` for a `Worker`'s messages"
)]
#[non_exhaustive]
pub struct Uncarried {
    /// The type of the whole value.
    pub type_name: &'static str,
    /// The part that cannot be carried, and the reason.
    pub reason: String,
}

/// Why a type that inspects the data to choose cannot be carried.
pub(crate) const LOOKS: &str = "part of it is read by looking what is there, as with `flatten`, `untagged`, `tag` or a \
                                `serde_json::Value`";

/// A checked type.
#[derive(Debug)]
struct Known {
    shape: Shape,
    refused: Option<Uncarried>,
}

/// Every checked type. Each is leaked once, because a program has a fixed number of types.
static KNOWN: RwLock<Vec<(TypeId, &'static Known)>> = RwLock::new(Vec::new());

thread_local! {
    /// The last type that was looked up, because most threads encode one type.
    static LAST: Cell<Option<(TypeId, &'static Known)>> = const { Cell::new(None) };
}

/// Checks whether bincode can carry values of this type, as far as its `Deserialize` shows. The first check
/// of a type runs it on a few made-up values.
///
/// From then on, every value of the type that is encoded as bincode is compared with the parts that its
/// `Deserialize` reads.
///
/// # Errors
/// When no bytes could ever be read as some part of a `T`.
///
/// ```
/// use procpool_protocol::carriage::check;
///
/// assert!(check::<Vec<(String, Option<u64>)>>().is_ok());
/// assert!(check::<Vec<serde_json::Value>>().unwrap_err().to_string().contains("Encoding::Json"));
/// ```
pub fn check<T: DeserializeOwned + 'static>() -> Result<(), &'static Uncarried> {
    let id = TypeId::of::<T>();
    let known = find(id).unwrap_or_else(|| learn(id, examine::<T>()));
    known.refused.as_ref().map_or(Ok(()), Err)
}

/// Returns the shape of a checked type, or an empty shape for other types.
pub(crate) fn shape_of(id: TypeId) -> Result<&'static Shape, &'static Uncarried> {
    match find(id) {
        None => Ok(&UNKNOWN),
        Some(Known { refused: None, shape }) => Ok(shape),
        Some(Known { refused: Some(refused), .. }) => Err(refused),
    }
}

fn examine<T: DeserializeOwned>() -> Known {
    match probe::examine::<T>() {
        Ok(shape) => Known { shape, refused: None },
        Err(reason) => {
            let refused = Some(Uncarried { type_name: type_name::<T>(), reason: reason.into() });
            Known { shape: Shape::new(), refused }
        }
    }
}

fn find(id: TypeId) -> Option<&'static Known> {
    if let Some((last, known)) = LAST.get()
        && last == id
    {
        return Some(known);
    }
    let all = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    let known = all.iter().find(|(it, _)| *it == id).map(|(_, known)| *known)?;
    LAST.set(Some((id, known)));
    Some(known)
}

fn learn(id: TypeId, known: Known) -> &'static Known {
    let mut all = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    // Another thread may have been faster.
    if let Some((_, known)) = all.iter().find(|(it, _)| *it == id) {
        return known;
    }
    let known = Box::leak(Box::new(known));
    all.push((id, known));
    known
}
