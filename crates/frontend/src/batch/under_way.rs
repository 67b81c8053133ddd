//! The lines of a batch that wait for their outcomes, in the order of the lines or in that of their ends.

use super::end::End;
use crate::access::Permit;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use procpool_protocol::engine::BoxFuture;
use procpool_protocol::outcome::Finished;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A line, as its outcome needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) number: u64,
    /// Length of its input, in bytes.
    pub(super) size: usize,
}

/// How far a line is.
pub(super) enum Stage {
    Running(BoxFuture<'static, Finished>),
    /// The job has a key, and may have been there before.
    Attached(BoxFuture<'static, End>),
    Ended(End),
}

/// A line under way: the future of its outcome.
pub(super) struct Entry {
    place: Place,
    /// `None` once it has returned its outcome.
    stage: Option<Stage>,
    /// The line's part of a quota. `None` for one that was refused before.
    _permit: Option<Permit>,
}

/// See the module.
pub(super) enum UnderWay {
    /// The first line is the only one that is polled: the outcomes of the others wait for it in any case.
    Ordered(VecDeque<Entry>),
    AsTheyEnd(FuturesUnordered<Entry>),
}

impl UnderWay {
    pub(super) fn new(is_ordered: bool) -> Self {
        if is_ordered { Self::Ordered(VecDeque::new()) } else { Self::AsTheyEnd(FuturesUnordered::new()) }
    }

    pub(super) fn push(&mut self, place: Place, stage: Stage, permit: Option<Permit>) {
        let entry = Entry { place, stage: Some(stage), _permit: permit };
        match self {
            Self::Ordered(entries) => entries.push_back(entry),
            Self::AsTheyEnd(entries) => entries.push(entry),
        }
    }

    /// Returns the next outcome, or `None` if no line is under way.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<(Place, End)>> {
        match self {
            Self::Ordered(entries) => {
                let Some(first) = entries.front_mut() else { return Poll::Ready(None) };
                let ended = ready!(Pin::new(first).poll(cx));
                entries.pop_front();
                Poll::Ready(Some(ended))
            }
            Self::AsTheyEnd(entries) => entries.poll_next_unpin(cx),
        }
    }
}

impl Future for Entry {
    type Output = (Place, End);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let place = self.place;
        let end = match self.stage.take() {
            Some(Stage::Ended(end)) => end,
            Some(Stage::Running(mut outcome)) => match outcome.as_mut().poll(cx) {
                Poll::Ready(finished) => End::Finished(finished),
                Poll::Pending => {
                    self.stage = Some(Stage::Running(outcome));
                    return Poll::Pending;
                }
            },
            Some(Stage::Attached(mut outcome)) => match outcome.as_mut().poll(cx) {
                Poll::Ready(end) => end,
                Poll::Pending => {
                    self.stage = Some(Stage::Attached(outcome));
                    return Poll::Pending;
                }
            },
            None => return Poll::Pending,
        };
        Poll::Ready((place, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::outcome::Timing;
    use procpool_protocol::{JobId, Payload};
    use std::task::Waker;
    use tokio::sync::oneshot;

    struct Jobs(Vec<Option<oneshot::Sender<()>>>);

    impl Jobs {
        fn of(count: usize, under_way: &mut UnderWay) -> Self {
            let begin = |index| {
                let (end, ended) = oneshot::channel();
                let outcome = Box::pin(async move {
                    ended.await.unwrap();
                    Finished::new(JobId::from_bits(1), Timing::default(), Ok(Payload::json("1")))
                });
                let place = Place { number: index as u64 + 1, size: 0 };
                under_way.push(place, Stage::Running(outcome), None);
                Some(end)
            };
            Self((0..count).map(begin).collect())
        }

        fn end(&mut self, line: usize) {
            self.0[line - 1].take().unwrap().send(()).unwrap();
        }
    }

    fn ended(under_way: &mut UnderWay) -> Vec<u64> {
        let mut context = Context::from_waker(Waker::noop());
        let mut lines = Vec::new();
        while let Poll::Ready(Some((place, _))) = under_way.poll_next(&mut context) {
            lines.push(place.number);
        }
        lines
    }

    #[test]
    fn outcomes_come_in_the_order_of_the_lines() {
        let mut under_way = UnderWay::new(true);
        let mut jobs = Jobs::of(3, &mut under_way);
        jobs.end(2);
        assert!(ended(&mut under_way).is_empty());
        jobs.end(1);
        assert_eq!(ended(&mut under_way), [1, 2]);
        jobs.end(3);
        assert_eq!(ended(&mut under_way), [3]);
    }

    #[test]
    fn without_an_order_a_long_line_holds_up_no_other() {
        let mut under_way = UnderWay::new(false);
        let mut jobs = Jobs::of(3, &mut under_way);
        jobs.end(3);
        assert_eq!(ended(&mut under_way), [3]);
        jobs.end(2);
        jobs.end(1);
        let mut rest = ended(&mut under_way);
        rest.sort_unstable();
        assert_eq!(rest, [1, 2]);
    }
}
