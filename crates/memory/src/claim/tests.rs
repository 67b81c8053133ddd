//! Every order in which the accesses of both sides can become visible, explored by loom.

use super::*;
use loom::sync::Arc;
use loom::thread;
use std::fmt::Debug;

/// The number that is claimed when the race begins, and the highest number.
const BEFORE: u64 = 1;
const LAST: u64 = 3;

/// A word for which loom decides which value each side reads.
#[derive(Debug, Default)]
struct Modelled(loom::sync::atomic::AtomicU64);

impl Word for Modelled {
    type Error = Infallible;

    fn store(&self, number: u64, order: Ordering) -> Result<(), Infallible> {
        self.0.store(number, order);
        Ok(())
    }

    fn load(&self, order: Ordering) -> Result<u64, Infallible> {
        Ok(self.0.load(order))
    }

    fn fence(order: Ordering) {
        loom::sync::atomic::fence(order);
    }
}

/// The same word, accessed through the kernel: only the fence orders its accesses.
#[derive(Debug, Default)]
struct Relaxed(Modelled);

/// The same word with a planted bug: a fence with a weaker ordering.
#[derive(Debug, Default)]
struct Unfenced(Modelled);

macro_rules! weaker {
    ($word:ty, $access:expr, $fence:expr) => {
        impl Word for $word {
            type Error = Infallible;

            fn store(&self, number: u64, order: Ordering) -> Result<(), Infallible> {
                self.0.store(number, if $access { order } else { Ordering::Relaxed })
            }

            fn load(&self, order: Ordering) -> Result<u64, Infallible> {
                self.0.load(if $access { order } else { Ordering::Relaxed })
            }

            fn fence(order: Ordering) {
                Modelled::fence(if $fence { order } else { Ordering::AcqRel });
            }
        }
    };
}
weaker!(Relaxed, false, true);
weaker!(Unfenced, true, false);

/// One side claims the remaining numbers, and the other side withdraws them. Afterwards one side owns each
/// number, because the side that gives way says so.
fn race<W: Word<Error = Infallible> + Debug + Default + Send + Sync + 'static>() {
    loom::model(|| {
        let words = Arc::new((W::default(), W::default()));
        let Ok(()) = words.0.store(BEFORE, Ordering::Relaxed);
        let claims = thread::spawn({
            let words = words.clone();
            move || {
                let mut last = BEFORE;
                let taken = |number| {
                    let Ok(is_taken) = claim(&words.0, &words.1, number, last);
                    last = if is_taken { number } else { last };
                    is_taken
                };
                [BEFORE + 1, LAST].map(taken)
            }
        });
        let Ok(claimed) = withdraw(&words.1, &words.0, LAST);
        let taken = claims.join().unwrap();
        for (number, is_taken) in (BEFORE + 1..).zip(taken) {
            let is_withdrawn = number > claimed;
            assert!(!(is_taken && is_withdrawn), "{number} is taken and withdrawn: {taken:?}, {claimed}");
        }
        assert!(taken.is_sorted_by(|one, next| one >= next), "what is withdrawn stays so: {taken:?}");
        let Ok(stands) = after_writes(&words.0);
        assert_eq!(stands, BEFORE + taken.iter().filter(|is_taken| **is_taken).count() as u64);
    });
}

#[test]
fn no_number_is_both_taken_and_withdrawn() {
    race::<Modelled>();
}

#[test]
fn nor_is_one_where_nothing_but_the_fence_orders_accesses() {
    race::<Relaxed>();
}

#[test]
#[should_panic(expected = "is taken and withdrawn")]
fn without_the_full_fence_one_is() {
    race::<Unfenced>();
}
