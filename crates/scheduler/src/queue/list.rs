//! A doubly linked list whose links are in the values of a slab. One value may be in several lists.

use crate::slab::Slab;

/// No slot. A slab never has as many values.
const NONE: u32 = u32::MAX;

/// The neighbours of a value in one list, by slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    before: u32,
    after: u32,
}

impl Links {
    pub(super) const NONE: Self = Self { before: NONE, after: NONE };
}

/// Values that have links for the list `L`.
pub(super) trait Linked<L> {
    fn links(&mut self) -> &mut Links;

    fn linked(&self) -> Links;
}

/// A list of the values of one slab. `L` names the links that it uses.
#[derive(Debug)]
pub(super) struct List<L> {
    head: u32,
    tail: u32,
    links: std::marker::PhantomData<L>,
}

impl<L> List<L> {
    pub(super) const fn new() -> Self {
        Self { head: NONE, tail: NONE, links: std::marker::PhantomData }
    }

    /// Returns the slot of the first value.
    pub(super) const fn front(&self) -> Option<u32> {
        if self.head == NONE { None } else { Some(self.head) }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.head == NONE
    }

    /// Returns whether it has exactly one value.
    pub(super) const fn has_one(&self) -> bool {
        self.head == self.tail && self.head != NONE
    }

    /// Returns the slots of the values in their order.
    pub(super) fn iter<'a, T: Linked<L>>(
        &self,
        values: &'a Slab<T>,
    ) -> impl Iterator<Item = u32> + use<'a, T, L> {
        let at = |slot: u32| (slot != NONE).then_some(slot);
        std::iter::successors(at(self.head), move |&slot| at(values.get(slot as usize)?.linked().after))
    }

    pub(super) fn push_back<T: Linked<L>>(&mut self, values: &mut Slab<T>, slot: u32) {
        let tail = std::mem::replace(&mut self.tail, slot);
        self.link(values, slot, Links { before: tail, after: NONE });
        *self.after(values, tail) = slot;
    }

    pub(super) fn push_front<T: Linked<L>>(&mut self, values: &mut Slab<T>, slot: u32) {
        let head = std::mem::replace(&mut self.head, slot);
        self.link(values, slot, Links { before: NONE, after: head });
        *self.before(values, head) = slot;
    }

    /// Removes the value that has these links. It may have left the slab.
    pub(super) fn remove<T: Linked<L>>(&mut self, values: &mut Slab<T>, links: Links) {
        *self.after(values, links.before) = links.after;
        *self.before(values, links.after) = links.before;
    }

    fn link<T: Linked<L>>(&self, values: &mut Slab<T>, slot: u32, links: Links) {
        if let Some(value) = values.get_mut(slot as usize) {
            *value.links() = links;
        }
    }

    /// Returns the link from a value to the next one, or the head.
    fn after<'a, T: Linked<L>>(&'a mut self, values: &'a mut Slab<T>, slot: u32) -> &'a mut u32 {
        match values.get_mut(slot as usize) {
            Some(value) => &mut value.links().after,
            None => &mut self.head,
        }
    }

    /// Returns the link from a value to the previous one, or the tail.
    fn before<'a, T: Linked<L>>(&'a mut self, values: &'a mut Slab<T>, slot: u32) -> &'a mut u32 {
        match values.get_mut(slot as usize) {
            Some(value) => &mut value.links().before,
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
        fn links(&mut self) -> &mut Links {
            &mut self.1
        }

        fn linked(&self) -> Links {
            self.1
        }
    }

    fn add(values: &mut Slab<Value>, name: char) -> u32 {
        u32::try_from(values.insert(Value(name, Links::NONE))).unwrap()
    }

    fn take(values: &mut Slab<Value>, list: &mut List<()>, slot: u32) -> char {
        let Value(name, links) = values.remove(slot as usize).unwrap();
        list.remove(values, links);
        name
    }

    #[test]
    fn values_leave_from_the_front_the_middle_and_the_back() {
        let (mut values, mut list) = (Slab::new(), List::<()>::new());
        let slots: Vec<_> = ('b'..='f').map(|name| add(&mut values, name)).collect();
        slots.iter().for_each(|&slot| list.push_back(&mut values, slot));
        let first = add(&mut values, 'a');
        list.push_front(&mut values, first);
        for slot in [slots[4], slots[1], first] {
            take(&mut values, &mut list, slot);
        }
        let order: String =
            list.iter(&values).filter_map(|slot| Some(values.get(slot as usize)?.0)).collect();
        assert_eq!(order, "bde");
        let mut left = String::new();
        while let Some(slot) = list.front() {
            assert_eq!(list.has_one(), left.len() == 2);
            left.push(take(&mut values, &mut list, slot));
        }
        assert_eq!(left, "bde");
        assert!(list.is_empty() && !list.has_one() && list.tail == NONE);
    }
}
