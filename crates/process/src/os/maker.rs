//! A thread that only spawns processes, with its own table of descriptors: see [`own_table`].
//!
//! Orders are plain data. The child's descriptors are sent through a socket, as to another process.

use super::own_table;
use super::posix_spawn::{self, Plan, Table};
use rustix::cmsg_space;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::process::Pid;
use std::cell::Cell;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

/// Maximum number of descriptors that accompany an order: a child's, and the file to run.
const MAX_DESCRIPTORS: usize = posix_spawn::FIRST_FREE as usize;

/// Size of the thread's stack, in bytes.
const STACK: usize = 256 * 1024;

/// The result of an order.
#[derive(Debug)]
enum Answer {
    Made(io::Result<Pid>),
    /// Its descriptors did not arrive, and no process was spawned. The thread has ended, because the next
    /// descriptors would be the wrong ones.
    Lost(Plan),
}

/// The handle of such a thread, which lives as long as the handle.
#[derive(Debug)]
pub(super) struct Maker {
    orders: Sender<Plan>,
    descriptors: OwnedFd,
    answers: Receiver<Answer>,
    has_ended: Cell<bool>,
}

impl Maker {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system does not give the thread its own table, or no thread can be started.
    pub(super) fn start() -> io::Result<Self> {
        let (ours, its) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let (orders, inbox) = mpsc::channel();
        let (outbox, answers) = mpsc::channel();
        let (told, separated) = mpsc::channel();
        let number = its.as_raw_fd();
        let work = move || match own_table::separate(number) {
            Ok(its) => {
                let _ = told.send(Ok(()));
                serve(&its, &inbox, &outbox);
            }
            Err(error) => drop(told.send(Err(error))),
        };
        thread::Builder::new().name("procpool-maker".into()).stack_size(STACK).spawn(work)?;
        let separated = separated.recv().map_err(gone)?;
        // The thread has a copy, or has ended.
        drop(its);
        separated.map(|()| Self { orders, descriptors: ours, answers, has_ended: Cell::new(false) })
    }

    /// Spawns a process. Returns when it runs the program, or cannot.
    ///
    /// # Errors
    /// Returns the plan if the order could not be sent, for example because too many descriptors of this user
    /// are in flight.
    pub(super) fn make(
        &self,
        plan: Plan,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<io::Result<Pid>, Box<Plan>> {
        if send(&self.descriptors, descriptors).is_err() {
            return Err(plan.into());
        }
        if let Err(mpsc::SendError(plan)) = self.orders.send(plan) {
            self.has_ended.set(true);
            return Err(plan.into());
        }
        match self.answers.recv() {
            Ok(Answer::Made(result)) => Ok(result),
            Ok(Answer::Lost(plan)) => {
                self.has_ended.set(true);
                Err(plan.into())
            }
            Err(error) => {
                self.has_ended.set(true);
                Ok(Err(gone(error)))
            }
        }
    }

    /// Closes the socket, so that further orders fail.
    #[cfg(test)]
    pub(super) fn break_off(&self) {
        rustix::net::shutdown(&self.descriptors, rustix::net::Shutdown::Both).expect("a socket");
    }

    /// Returns whether the thread has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.get()
    }
}

/// Runs on the thread, with its own table.
fn serve(socket: &OwnedFd, orders: &Receiver<Plan>, answers: &Sender<Answer>) {
    for plan in orders {
        let Ok(descriptors) = receive(socket) else {
            let _ = answers.send(Answer::Lost(plan));
            return;
        };
        let its: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        let result = posix_spawn::spawn(&plan, &its, Table::Own);
        drop(descriptors);
        if answers.send(Answer::Made(result)).is_err() {
            return;
        }
    }
}

fn send(socket: &OwnedFd, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many descriptors for one process"));
    }
    let count = u8::try_from(descriptors.len()).map_err(io::Error::other)?;
    // A single message to an empty queue does not wait, so no signal interrupts it.
    sendmsg(socket, &[IoSlice::new(&[count])], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

fn receive(socket: &OwnedFd) -> io::Result<Vec<OwnedFd>> {
    let mut count = [0];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    rustix::io::retry_on_intr(|| {
        recvmsg(socket, &mut [IoSliceMut::new(&mut count)], &mut control, RecvFlags::CMSG_CLOEXEC)
    })?;
    let mut descriptors = Vec::with_capacity(MAX_DESCRIPTORS);
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    // The kernel drops descriptors for which no number is left.
    if descriptors.len() == usize::from(count[0]) { Ok(descriptors) } else { Err(Errno::MFILE.into()) }
}

fn gone<E>(_: E) -> io::Error {
    io::Error::other("the thread that makes processes is gone")
}
