//! Memory of another process, which lends it to this one for a while: receives its descriptor, and reads and
//! writes it by system calls. It is not mapped, so its owner can neither change a value while code here looks
//! at it, nor end this process by taking pages away.

use crate::file::{self, SIZED};
use rustix::cmsg_space;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

/// Maximum number of descriptors that are taken with one piece of a stream. Others are closed.
const MOST: usize = 2;

/// Memory whose length is fixed.
#[derive(Debug)]
pub struct Lent {
    file: File,
    length: u64,
}

impl TryFrom<OwnedFd> for Lent {
    type Error = io::Error;

    /// Takes the memory behind a descriptor.
    ///
    /// # Errors
    /// When it is not memory (`memfd`) whose length is sealed: another file could block its reader.
    fn try_from(descriptor: OwnedFd) -> io::Result<Self> {
        let file = File::from(descriptor);
        let no_memory = || io::Error::other("the descriptor is no sealed memory");
        let length = file::sealed_length(&file, SIZED).ok_or_else(no_memory)?;
        Ok(Self { file, length })
    }
}

impl Lent {
    /// Returns its length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Copies its beginning to `bytes`.
    ///
    /// # Errors
    /// When it is shorter.
    pub fn read(&self, bytes: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(bytes, 0)
    }

    /// Copies `bytes` to its beginning.
    ///
    /// # Errors
    /// When it is shorter, or its owner does not let others write to it.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        file::write_at(&self.file, bytes, 0)
    }
}

/// Receives bytes from a stream, and adds the descriptors that came beside them to `descriptors`. Returns the
/// number of bytes, of which 0 is the end, and whether descriptors ended this piece: further bytes may be there.
/// Descriptors that this process has no room for are lost.
///
/// # Errors
/// Those of the system.
pub fn receive(
    socket: impl AsFd,
    into: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
) -> io::Result<(usize, bool)> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MOST))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(socket, &mut [IoSliceMut::new(into)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut is_ended = received.flags.contains(ReturnFlags::CTRUNC);
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            is_ended = true;
            descriptors.extend(rights.take(MOST));
        }
    }
    Ok((received.bytes, is_ended))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    use std::io::{IoSlice, Write};
    use std::os::unix::net::UnixStream;

    fn lent(length: usize) -> (File, Lent) {
        let file = file::create("test", length).unwrap();
        file::seal(&file, SIZED).unwrap();
        let lent = OwnedFd::from(file.try_clone().unwrap()).try_into().unwrap();
        (file, lent)
    }

    #[test]
    fn both_sides_see_what_the_other_wrote() {
        let (file, lent) = lent(8192);
        file.write_all_at(b"input", 0).unwrap();
        let mut bytes = [0; 5];
        lent.read(&mut bytes).unwrap();
        assert_eq!((&bytes, lent.length()), (b"input", 8192));
        lent.write(b"output").unwrap();
        file.read_exact_at(&mut bytes, 1).unwrap();
        assert_eq!(&bytes, b"utput");
        assert!(lent.read(&mut [0; 8193]).is_err() && lent.write(&[0; 8193]).is_err(), "beyond the end");
    }

    #[test]
    fn what_is_no_sealed_memory_is_refused() {
        let unsealed = file::create("test", 8192).unwrap();
        let null = File::open("/dev/null").unwrap();
        for file in [unsealed, null] {
            let error = Lent::try_from(OwnedFd::from(file)).unwrap_err();
            assert_eq!(error.to_string(), "the descriptor is no sealed memory");
        }
    }

    #[test]
    fn descriptors_come_with_the_bytes_they_were_sent_with() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let (file, _) = lent(8192);
        ours.write_all(b"before").unwrap();
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(3))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let rights = [file.as_fd(); 3];
        assert!(control.push(SendAncillaryMessage::ScmRights(&rights)));
        sendmsg(&ours, &[IoSlice::new(b"head")], &mut control, SendFlags::empty()).unwrap();
        ours.write_all(b"after").unwrap();
        let (mut bytes, mut descriptors) = ([0; 64], Vec::new());
        let (length, is_ended) = receive(&theirs, &mut bytes, &mut descriptors).unwrap();
        assert_eq!((&bytes[..length], is_ended), (&b"beforehead"[..], true));
        assert_eq!(descriptors.len(), MOST, "the third is closed");
        assert_eq!(receive(&theirs, &mut bytes, &mut descriptors).unwrap(), (5, false));
        drop(ours);
        assert_eq!(receive(&theirs, &mut bytes, &mut descriptors).unwrap(), (0, false));
        assert_eq!(descriptors.len(), MOST);
    }
}
