//! A doubly linked list whose links are in the values of a slab. One value may be in several lists.

use crate::slab::Slab;

/// The neighbours of a value in one list, by slot.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Links {
    before: Option<usize>,
    after: Option<usize>,
}

/// Values that have links for the list `L`.
pub(super) trait Linked<L> {
    fn links(&self) -> &Links;
    fn links_mut(&mut self) -> &mut Links;
}

/// A list of the values of one slab. `L` names the links that it uses.
#[derive(Debug)]
pub(super) struct List<L> {
    head: Option<usize>,
    tail: Option<usize>,
    links: std::marker::PhantomData<L>,
}

impl<L> List<L> {
    pub(super) const fn new() -> Self {
        Self { head: None, tail: None, links: std::marker::PhantomData }
    }

    /// Returns the slot of the first value.
    pub(super) const fn front(&self) -> Option<usize> {
        self.head
    }

    pub(super) fn push_back<T: Linked<L>>(&mut self, values: &mut Slab<T>, slot: usize) {
        self.insert(values, slot, Links { before: self.tail, after: None });
    }

    pub(super) fn push_front<T: Linked<L>>(&mut self, values: &mut Slab<T>, slot: usize) {
        self.insert(values, slot, Links { before: None, after: self.head });
    }

    /// Removes a value of this list. It must be removed before it leaves the slab.
    pub(super) fn remove<T: Linked<L>>(&mut self, values: &mut Slab<T>, slot: usize) {
        let Some(value) = values.get(slot) else { return };
        let Links { before, after } = *value.links();
        *self.after(values, before) = after;
        *self.before(values, after) = before;
    }

    fn insert<T: Linked<L>>(&mut self, values: &mut Slab<T>, slot: usize, links: Links) {
        let Some(value) = values.get_mut(slot) else { return };
        *value.links_mut() = links;
        *self.after(values, links.before) = Some(slot);
        *self.before(values, links.after) = Some(slot);
    }

    /// Returns the link from a value to the next one, or the head for `None`.
    fn after<'a, T: Linked<L>>(
        &'a mut self,
        values: &'a mut Slab<T>,
        slot: Option<usize>,
    ) -> &'a mut Option<usize> {
        match slot.and_then(|slot| values.get_mut(slot)) {
            Some(value) => &mut value.links_mut().after,
            None => &mut self.head,
        }
    }

    /// Returns the link from a value to the previous one, or the tail for `None`.
    fn before<'a, T: Linked<L>>(
        &'a mut self,
        values: &'a mut Slab<T>,
        slot: Option<usize>,
    ) -> &'a mut Option<usize> {
        match slot.and_then(|slot| values.get_mut(slot)) {
            Some(value) => &mut value.links_mut().before,
            None => &mut self.tail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Value(char, Links);

    impl Linked<()> for Value {
        fn links(&self) -> &Links {
            &self.1
        }

        fn links_mut(&mut self) -> &mut Links {
            &mut self.1
        }
    }

    #[test]
    fn values_leave_from_the_front_the_middle_and_the_back() {
        let (mut values, mut list) = (Slab::new(), List::<()>::new());
        let slots: Vec<_> = ('b'..='f')
            .map(|name| {
                let slot = values.insert(Value(name, Links::default()));
                list.push_back(&mut values, slot);
                slot
            })
            .collect();
        let first = values.insert(Value('a', Links::default()));
        list.push_front(&mut values, first);
        for slot in [slots[4], slots[1], first] {
            list.remove(&mut values, slot);
            values.remove(slot);
        }
        let left = std::iter::from_fn(|| {
            let slot = list.front()?;
            list.remove(&mut values, slot);
            values.remove(slot).map(|value| value.0)
        });
        assert_eq!(left.collect::<String>(), "bde");
        assert!(list.front().is_none() && list.tail.is_none());
    }
}
