//! Reusable numbered slots. Does not: remember the numbers; the caller does.

/// Values in numbered slots, each inserted and removed in constant time.
///
/// Memory grows with the maximum number of values ever held at once. Removal leaves a slot for the
/// next insertion.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    slots: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }

    /// Returns the number of values.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Inserts a value and returns its slot. The slot belongs to the value until `remove`.
    /// Afterwards the same number may refer to another value.
    pub(crate) fn insert(&mut self, value: T) -> usize {
        match self.free.pop() {
            Some(slot) => {
                self.slots[slot] = Some(value);
                slot
            }
            None => {
                self.slots.push(Some(value));
                self.slots.len() - 1
            }
        }
    }

    pub(crate) fn get(&self, slot: usize) -> Option<&T> {
        self.slots.get(slot)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: usize) -> Option<&mut T> {
        self.slots.get_mut(slot)?.as_mut()
    }

    /// Removes and returns a value. Returns `None` if the slot is already empty, so removing twice
    /// is harmless.
    pub(crate) fn remove(&mut self, slot: usize) -> Option<T> {
        let value = self.slots.get_mut(slot)?.take()?;
        self.free.push(slot);
        Some(value)
    }

    pub(crate) fn clear(&mut self) {
        self.slots.clear();
        self.free.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_slot_is_reused() {
        let mut slab = Slab::new();
        let first = slab.insert('a');
        let second = slab.insert('b');
        assert_eq!(slab.remove(first), Some('a'));
        assert_eq!(slab.insert('c'), first);
        assert_eq!((slab.get(first), slab.get(second)), (Some(&'c'), Some(&'b')));
        assert_eq!(slab.len(), 2);
    }

    #[test]
    fn removing_twice_frees_once() {
        let mut slab = Slab::new();
        let slot = slab.insert('a');
        assert_eq!(slab.remove(slot), Some('a'));
        assert_eq!(slab.remove(slot), None);
        assert_ne!(slab.insert('b'), slab.insert('c'));
    }
}
