//! Sends memory that a value refers to along with the value: by descriptors beside the bytes.
//!
//! Serde passes only bytes. Therefore the thread collects the descriptors of all regions in a value while it
//! encodes the value. While it decodes a value, it offers the descriptors that arrived with it. Does not:
//! send or receive any.

use crate::region_id::Id;
use std::cell::RefCell;
use std::os::fd::AsFd;
use std::sync::Arc;

/// A descriptor, and the handle that keeps it open.
pub type Descriptor = Arc<dyn AsFd + Send + Sync>;

thread_local! {
    /// The descriptors that the value being encoded refers to, each once. `None` while no value is encoded.
    static COLLECTED: RefCell<Option<Vec<(Id, Descriptor)>>> = const { RefCell::new(None) };
    /// The descriptors that came with the value being decoded.
    static OFFERED: RefCell<Vec<Descriptor>> = const { RefCell::new(Vec::new()) };
}

/// Runs `encode` and returns the descriptors of the regions that it serialized, each once, in the order of
/// their first use.
pub fn collect<T>(encode: impl FnOnce() -> T) -> (T, Vec<Descriptor>) {
    struct Outer(Option<Vec<(Id, Descriptor)>>);
    impl Drop for Outer {
        fn drop(&mut self) {
            COLLECTED.replace(self.0.take());
        }
    }
    // A value may be encoded while another one is, and its code may panic.
    let outer = Outer(COLLECTED.replace(Some(Vec::new())));
    let value = encode();
    let collected = COLLECTED.take().unwrap_or_default();
    drop(outer);
    // The usual case, which does not need another vector.
    if collected.is_empty() {
        return (value, Vec::new());
    }
    (value, collected.into_iter().map(|(_, descriptor)| descriptor).collect())
}

/// Runs `decode`, in which regions can be found by these descriptors.
pub fn offering<T>(descriptors: &[Descriptor], decode: impl FnOnce() -> T) -> T {
    struct Outer(Vec<Descriptor>);
    impl Drop for Outer {
        fn drop(&mut self) {
            OFFERED.replace(std::mem::take(&mut self.0));
        }
    }
    let _outer = Outer(OFFERED.replace(descriptors.to_vec()));
    decode()
}

/// Adds this descriptor to those that are sent with the value. Returns its index among them, or `None` while
/// no value is encoded.
pub(crate) fn collected(id: Id, descriptor: impl FnOnce() -> Descriptor) -> Option<u8> {
    COLLECTED.with_borrow_mut(|collected| {
        let collected = collected.as_mut()?;
        let at = collected.iter().position(|(it, _)| *it == id).unwrap_or_else(|| {
            collected.push((id, descriptor()));
            collected.len() - 1
        });
        u8::try_from(at).ok()
    })
}

/// Returns the descriptor at this index, or `None` if fewer arrived.
pub(crate) fn offered(at: u8) -> Option<Descriptor> {
    OFFERED.with_borrow(|offered| offered.get(usize::from(at)).cloned())
}
