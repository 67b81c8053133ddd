//! The stream of one viewer: a snapshot, then ticks and rare events at once. A viewer that reads too
//! slowly skips ticks; nothing waits for it.

use super::frame::{Frame, Rare};
use super::sampler::{Board, Seat};
use crate::access::Principal;
use crate::sse;
use bytes::Bytes;
use futures_util::{Stream, stream};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::sleep;

/// Time between two comments while there are no ticks.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The pools that a viewer sees.
pub(crate) struct Selection {
    /// The pools that it has asked for. `None`: all.
    pub(crate) pools: Option<Vec<String>>,
    /// Who asks, and may not see every pool.
    pub(crate) principal: Principal,
}

impl Selection {
    fn shows(&self, pool: &str) -> bool {
        let is_wanted = self.pools.as_ref().is_none_or(|pools| pools.iter().any(|it| it == pool));
        is_wanted && self.principal.may_use(pool)
    }

    fn is_of_all(&self) -> bool {
        self.pools.is_none() && !self.principal.is_bound_to_pools()
    }
}

/// Returns the stream of a viewer. `permit` counts it among all streams.
pub(crate) fn events(
    board: &Board,
    selection: Selection,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Bytes> + use<> {
    let seat = board.join();
    let after = seat.want_snapshot();
    let viewer = Viewer { seat, selection, place: Place::Waits { after }, is_over: false, _permit: permit };
    stream::unfold(viewer, |mut viewer| async move { Some((viewer.next().await?, viewer)) })
}

struct Viewer {
    seat: Seat,
    selection: Selection,
    place: Place,
    is_over: bool,
    _permit: OwnedSemaphorePermit,
}

/// The place of a viewer in the sequence of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It waits for a snapshot after this frame.
    Waits { after: u64 },
    /// It has this frame.
    Has(u64),
}

impl Viewer {
    /// Returns what is sent next. `None` ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        loop {
            let has_snapshot = matches!(self.place, Place::Has(_));
            let next = tokio::select! {
                biased;
                () = self.seat.board.health().until_draining() => {
                    self.is_over = true;
                    return Some(sse::event("bye", None, "{}"));
                }
                rare = self.seat.rare.recv(), if has_snapshot => self.of_rare(rare),
                changed = self.seat.frames.changed() => {
                    changed.ok()?;
                    let frame = self.seat.frames.borrow_and_update().clone();
                    frame.and_then(|frame| self.of_frame(&frame))
                }
                () = sleep(KEEP_ALIVE) => Some(sse::comment()),
            };
            if next.is_some() {
                return next;
            }
        }
    }

    fn of_rare(&mut self, rare: Result<Rare, RecvError>) -> Option<Bytes> {
        match rare {
            Ok(rare) => self.selection.shows(&rare.pool).then_some(rare.text),
            // It has missed some: a snapshot says what is true now.
            Err(_) => {
                self.place = Place::Waits { after: self.seat.want_snapshot() };
                None
            }
        }
    }

    fn of_frame(&mut self, frame: &Arc<Frame>) -> Option<Bytes> {
        let id = frame.tick.id();
        let picture = match (self.place, &frame.snapshot) {
            (Place::Has(last), _) if id == last + 1 => &frame.tick,
            (Place::Waits { after }, Some(snapshot)) if id > after => snapshot,
            (Place::Waits { after }, _) if id <= after => return None,
            // It has missed a frame, and with it perhaps a new worker.
            (_, Some(snapshot)) => snapshot,
            (_, None) => {
                self.place = Place::Waits { after: self.seat.want_snapshot() };
                return None;
            }
        };
        self.place = Place::Has(id);
        let shows = |pool: &str| self.selection.shows(pool);
        Some(picture.text(if self.selection.is_of_all() { None } else { Some(&shows) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::counting::Counting;
    use crate::health::Health;
    use tokio::sync::Semaphore;

    async fn viewer(board: &Board) -> Viewer {
        let permit = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        let seat = board.join();
        let place = Place::Waits { after: seat.want_snapshot() };
        let selection = Selection { pools: None, principal: Principal::anonymous() };
        Viewer { seat, selection, place, is_over: false, _permit: permit }
    }

    async fn name(viewer: &mut Viewer) -> String {
        let text = viewer.next().await.expect("an event");
        let text = std::str::from_utf8(&text).unwrap();
        text.lines().next().unwrap().trim_start_matches("event: ").to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn a_viewer_that_reads_slowly_skips_frames_and_is_told_anew_what_is_true() {
        let board = Board::with(Arc::new(Counting::default()), Health::starting(), || None);
        let (mut slow, mut quick) = (viewer(&board).await, viewer(&board).await);
        assert_eq!((name(&mut slow).await, name(&mut quick).await), ("snapshot".into(), "snapshot".into()));
        for _ in 0..100 {
            assert_eq!(name(&mut quick).await, "tick", "nobody waits for the slow one");
        }
        assert_eq!(name(&mut slow).await, "snapshot", "and nothing is kept for it");
        assert_eq!(name(&mut slow).await, "tick");
    }
}
