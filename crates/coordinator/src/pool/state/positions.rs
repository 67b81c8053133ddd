//! The places of a pool's workers on a page that shows them. A replacement takes the lowest free place, so that it
//! appears where the dead worker was.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Gives out places from 0. Holds at most as many numbers as there were workers at one time.
#[derive(Debug, Default)]
pub(crate) struct Positions {
    free: BinaryHeap<Reverse<u32>>,
    /// Every place from here on is free.
    unused: u32,
}

impl Positions {
    /// Takes the lowest free place.
    pub(crate) fn take(&mut self) -> u32 {
        match self.free.pop() {
            Some(Reverse(lowest)) => lowest,
            None => {
                self.unused += 1;
                self.unused - 1
            }
        }
    }

    /// Frees a place that was taken.
    pub(crate) fn free(&mut self, place: u32) {
        self.free.push(Reverse(place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_takes_the_place_of_the_dead_one() {
        let mut positions = Positions::default();
        assert_eq!([(); 4].map(|()| positions.take()), [0, 1, 2, 3]);
        positions.free(2);
        assert_eq!(positions.take(), 2);
        positions.free(3);
        positions.free(1);
        assert_eq!([(); 3].map(|()| positions.take()), [1, 3, 4]);
    }
}
