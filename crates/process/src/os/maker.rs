//! A thread that makes processes and does nothing else, with a table of descriptors of its own: see [`own_table`].
//!
//! Orders are plain data. What a child is to have comes through a socket, as to another process.

use super::own_table;
use super::posix_spawn::{self, Plan, Table};
use super::socket::CROWDED;
use rustix::cmsg_space;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::process::Pid;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

/// Maximum number of descriptors that go along with an order: a child's, and what it runs.
const MAX_DESCRIPTORS: usize = posix_spawn::FIRST_FREE as usize;

/// Bytes of the thread's stack.
const STACK: usize = 256 * 1024;

/// How often an order is tried to be sent while too many descriptors of this user are on their way, five milliseconds apart.
const ATTEMPTS: u32 = 200;

/// The way to such a thread, which lives as long as this.
#[derive(Debug)]
pub(super) struct Maker {
    orders: Sender<Plan>,
    descriptors: OwnedFd,
    made: Receiver<io::Result<Pid>>,
}

impl Maker {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system lets it have no table of its own, or there is no thread to be had.
    pub(super) fn start() -> io::Result<Self> {
        let (ours, its) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let (orders, inbox) = mpsc::channel();
        let (outbox, made) = mpsc::channel();
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
        separated.map(|()| Self { orders, descriptors: ours, made })
    }

    /// Makes a process. Returns when it runs the program, or cannot.
    pub(super) fn make(&self, plan: Plan, descriptors: &[BorrowedFd<'_>]) -> io::Result<Pid> {
        send(&self.descriptors, descriptors)?;
        self.orders.send(plan).map_err(gone)?;
        self.made.recv().map_err(gone)?
    }
}

/// Runs on the thread, with its own table.
fn serve(socket: &OwnedFd, orders: &Receiver<Plan>, made: &Sender<io::Result<Pid>>) {
    for plan in orders {
        let descriptors = receive(socket);
        let result = descriptors.and_then(|descriptors| {
            let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
            posix_spawn::spawn(&plan, &descriptors, Table::Own)
        });
        if made.send(result).is_err() {
            return;
        }
    }
}

fn send(socket: &OwnedFd, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    for _ in 0..ATTEMPTS {
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(io::Error::other("too many descriptors for one process"));
        }
        let count = u8::try_from(descriptors.len()).map_err(io::Error::other)?;
        match sendmsg(socket, &[IoSlice::new(&[count])], &mut control, SendFlags::NOSIGNAL) {
            Ok(_) => return Ok(()),
            Err(Errno::TOOMANYREFS) => thread::sleep(CROWDED),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Errno::TOOMANYREFS.into())
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
    // The kernel drops those for which there is no number left.
    if descriptors.len() == usize::from(count[0]) { Ok(descriptors) } else { Err(Errno::MFILE.into()) }
}

fn gone<E>(_: E) -> io::Error {
    io::Error::other("the thread that makes processes is gone")
}
