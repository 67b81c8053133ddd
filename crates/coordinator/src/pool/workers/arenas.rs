//! The memory that a pool shares with its workers: made and offered, accepted, read, taken back. The
//! decisions about it are made in `sharing`. Here it meets the pool's lock, under which no memory is created
//! or dropped.

use super::fetching::Fetching;
use super::frames::FrameHandler;
use crate::pool::core::Core;
use crate::pool::state::State;
use crate::sharing::{Dropped, Memory, Wanted};
use procpool_memory::arena::OutputArena;
use procpool_memory::buffers::Buffers;
use procpool_process::Outboxes;
use procpool_protocol::arena::Shared;
use procpool_protocol::batch::max_answers;
use procpool_protocol::frame::Frame;
use procpool_protocol::message::json_of;
use procpool_scheduler::{Time, WorkerId};
use std::sync::Arc;

/// Maximum length of an output that is read at once, in bytes. Reading it takes a few hundred microseconds,
/// and waking another thread for it a few dozen.
const LONG: usize = 1 << 20;

impl State {
    /// Returns the name of a worker while it lives.
    fn name(&self, worker: WorkerId) -> String {
        self.slots.get(&worker).map(|slot| slot.name.clone()).unwrap_or_default()
    }

    /// Offers the worker memory that was created for it. The caller must drop the error outside of the lock.
    pub(crate) fn offer_memory(
        &mut self,
        worker: WorkerId,
        length: usize,
        memory: Memory,
    ) -> Result<Arc<Outboxes>, Dropped> {
        let Some((sharing, lines)) =
            self.slots.get_mut(&worker).and_then(|slot| Some((&mut slot.sharing, slot.lines.clone()?)))
        else {
            return Err(Dropped::Memory(memory));
        };
        lines.control.push(&sharing.offer(length, memory)?);
        Ok(lines)
    }

    /// Takes back shared memory that has rested from workers without a job. All of it is for outside of the lock.
    pub(crate) fn take_back_memory(&mut self, now: Time) -> (Vec<Arc<Outboxes>>, Vec<Dropped>) {
        let (mut told, mut dropped) = (Vec::new(), Vec::new());
        for slot in self.slots.values_mut().filter(|slot| slot.held.is_empty()) {
            let Some(lines) = &slot.lines else { continue };
            let (frames, arenas) = slot.sharing.rest(now);
            for frame in &frames {
                lines.control.push(frame);
            }
            dropped.extend(arenas);
            if !frames.is_empty() {
                told.push(lines.clone());
            }
        }
        (told, dropped)
    }
}

impl Core {
    /// Makes the memory of an arena, and offers it to the worker.
    pub(crate) fn share(&self, worker: WorkerId, wanted: Wanted) {
        let name = self.with(|state, _| state.name(worker));
        let length = wanted.length;
        match wanted.make(&name) {
            Ok(memory) => self.offer_memory(worker, length, memory),
            // Then it goes through the socket.
            Err(error) => tracing::debug!(pool = self.name, worker = name, %error, "no shared memory"),
        }
    }

    fn offer_memory(&self, worker: WorkerId, length: usize, memory: Memory) {
        let offered = self.with(|state, _| state.offer_memory(worker, length, memory));
        if let Ok(lines) = offered {
            lines.flush_control();
        }
    }

    /// Takes back shared memory that nothing has gone through for a while.
    pub(crate) fn take_back_memory(&self) {
        self.buffers.tidy();
        let (lines, dropped) = self.with(State::take_back_memory);
        for lines in lines {
            lines.flush_control();
        }
        self.give_back(dropped);
    }

    /// Drops arenas, and gives the memory of those back that are used for nothing.
    pub(crate) fn give_back(&self, arenas: impl IntoIterator<Item = Dropped>) {
        for arena in arenas {
            if let Err(error) = arena.give_back() {
                tracing::debug!(pool = self.name, %error, "shared memory that rests is kept");
            }
        }
    }
}

/// An output that lies in an arena. The arena is the worker's, but not written to before the answer was taken.
pub(crate) struct Output {
    memory: Arc<OutputArena>,
    offset: u64,
    length: usize,
    buffers: Buffers,
}

impl Output {
    /// Returns whether reading it would block a runtime's thread for too long.
    pub(crate) const fn is_long(&self) -> bool {
        self.length > LONG
    }

    pub(crate) fn read(self) -> Result<bytes::Bytes, String> {
        let read = self.buffers.filled(self.length, |bytes| self.memory.read(self.offset, bytes));
        read.map_err(|error| format!("its output lies nowhere: {error}"))
    }
}

impl FrameHandler<'_> {
    /// Puts the outputs in their places: what a dead worker's frames refer to, instead of where that lies. Drops frames that
    /// refer to nothing.
    pub(crate) async fn fetch_all(&self, last_frames: Vec<Frame>) -> Vec<Frame> {
        // All are found before the first is waited for: what becomes of the arenas meanwhile is nothing to them.
        let found = last_frames.into_iter().filter_map(|mut frame| {
            let output = self.output(&mut frame).ok()?;
            Some((frame, output))
        });
        let mut fetched = Vec::new();
        for (frame, output) in found.collect::<Vec<_>>() {
            fetched.extend(self.fetch(frame, output).await.ok());
        }
        fetched
    }

    /// Puts the output in its place; on another thread, if it is long.
    async fn fetch(&self, mut frame: Frame, output: Option<Output>) -> Result<Frame, String> {
        match output {
            Some(output) if output.is_long() => {
                Fetching::begin(frame, output, self.core.runtime()).end().await
            }
            Some(output) => {
                frame.payload.bytes = output.read()?;
                Ok(frame)
            }
            None => Ok(frame),
        }
    }

    /// Returns the output in shared memory that the frame refers to, if it refers to one.
    pub(crate) fn output(&self, frame: &mut Frame) -> Result<Option<Output>, String> {
        let Some(place) = frame.place.take() else { return Ok(None) };
        let arena = self.core.with(|state, now| {
            let slot = state.slots.get_mut(&self.worker)?;
            slot.sharing.outputs.find(place.arena, now)
        });
        let arena =
            arena.ok_or_else(|| format!("its output lies in arena {}, which it has not", place.arena))?;
        let most = arena.length.min(max_answers(self.core.limits.max_payload) as usize);
        let length = usize::try_from(place.length).ok().filter(|&length| length <= most);
        let length = length.ok_or_else(|| format!("its output has {} bytes in an arena", place.length))?;
        let buffers = self.core.buffers.clone();
        Ok(Some(Output { memory: arena.memory, offset: place.offset, length, buffers }))
    }

    /// Takes in the worker's answer to an offer.
    pub(crate) fn shared(&self, frame: &Frame) -> Result<(), String> {
        let Shared { accepted } = json_of(frame).map_err(|error| error.to_string())?;
        let dropped = self.core.with(|state, now| {
            let slot = state.slots.get_mut(&self.worker).ok_or("it is not expected any more")?;
            let newest = if slot.held.is_empty() { 0 } else { slot.last_sequence };
            slot.sharing.answered(frame.sequence, accepted, newest, now)
        })?;
        self.core.give_back(dropped);
        Ok(())
    }

    /// Notes that the worker's code holds on to an input.
    pub(crate) fn held(&self, arena: u64) {
        let worker = self.worker;
        let lost = self.core.with(|state, _| state.slots.get_mut(&worker)?.sharing.inputs.lose(arena));
        drop(lost);
    }
}
