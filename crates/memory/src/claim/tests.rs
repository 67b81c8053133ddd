//! Every order in which the accesses of both sides can become visible, tried by loom.

use super::*;
use loom::sync::Arc;
use loom::thread;
use std::fmt::Debug;

/// The number that was claimed when the race begins, and the last one that there is.
const BEFORE: u64 = 1;
const LAST: u64 = 3;

/// A word of which loom decides who sees what.
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

/// The same, accessed through the kernel: it knows no order but the fence.
#[derive(Debug, Default)]
struct Relaxed(Modelled);

/// The same with the bug that is planted: a fence that orders less.
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

/// One side claims what is left, the other side withdraws it. Somebody has each number afterwards: who gives way says so.
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
