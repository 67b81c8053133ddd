//! Attachments: descriptors that are sent with a frame, beside its bytes.
//!
//! This crate counts attachments. It does not send, receive or use them. Their number is in the frame's
//! header, so that a receiver knows which descriptor belongs to which frame.

use crate::limits::MAX_ATTACHMENTS;
use bytes::Bytes;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// One descriptor, with the handle that holds it open. Clones share it.
#[derive(Clone)]
pub struct Attachment(Arc<dyn AsFd + Send + Sync>);

impl Attachment {
    /// Returns the shared handle itself.
    pub fn into_inner(self) -> Arc<dyn AsFd + Send + Sync> {
        self.0
    }
}

impl From<Arc<dyn AsFd + Send + Sync>> for Attachment {
    fn from(descriptor: Arc<dyn AsFd + Send + Sync>) -> Self {
        Self(descriptor)
    }
}

impl From<OwnedFd> for Attachment {
    fn from(descriptor: OwnedFd) -> Self {
        Self(Arc::new(descriptor))
    }
}

impl AsFd for Attachment {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.0.as_fd())
    }
}

impl PartialEq for Attachment {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Attachment {}

/// Everything that accompanies a payload: descriptors, and the rest of a value of which the payload is a
/// part. As small as a pointer, because every payload has this field and it is usually empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachments(Option<Arc<Beside>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Beside {
    descriptors: Descriptors,
    rest: Option<Bytes>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Descriptors {
    Absent(u8),
    Here(Vec<Attachment>),
}

impl Attachments {
    /// No attachments, the usual case.
    pub const NONE: Self = Self(None);

    /// Returns attachments with a single descriptor.
    pub fn one(attachment: Attachment) -> Self {
        Self::of(Descriptors::Here(vec![attachment]))
    }

    /// Returns attachments of this number that are absent. Either they have not been read from the
    /// connection, or they never arrived, or the payload was read from a file.
    pub fn absent(count: u8) -> Self {
        if count == 0 { Self::NONE } else { Self::of(Descriptors::Absent(count)) }
    }

    fn of(descriptors: Descriptors) -> Self {
        Self(Some(Arc::new(Beside { descriptors, rest: None })))
    }

    /// Returns the same descriptors together with the rest of a value.
    #[must_use]
    pub(crate) fn with_rest(self, rest: Bytes) -> Self {
        let descriptors = self.0.map_or(Descriptors::Absent(0), |beside| beside.descriptors.clone());
        Self(Some(Arc::new(Beside { descriptors, rest: Some(rest) })))
    }

    /// Returns the rest of a value, if the payload is a part of one.
    pub(crate) fn rest(&self) -> Option<&Bytes> {
        self.0.as_deref()?.rest.as_ref()
    }

    /// Returns whether there are no descriptors, present or absent.
    pub fn is_none(&self) -> bool {
        self.count() == 0
    }

    /// Returns the number of descriptors that are [`absent`](Self::absent), if any.
    pub fn absentees(&self) -> Option<u8> {
        match self.0.as_deref()?.descriptors {
            Descriptors::Absent(count) => Some(count).filter(|&count| count > 0),
            Descriptors::Here(_) => None,
        }
    }

    /// Returns the number of descriptors, as a frame's header contains it.
    pub fn count(&self) -> u8 {
        match self.0.as_deref().map(|beside| &beside.descriptors) {
            None => 0,
            Some(Descriptors::Absent(count)) => *count,
            // `try_from` checks the maximum, which fits.
            Some(Descriptors::Here(attachments)) => u8::try_from(attachments.len()).unwrap_or(u8::MAX),
        }
    }

    /// Returns the descriptors that are present.
    pub fn as_slice(&self) -> &[Attachment] {
        match self.0.as_deref() {
            Some(Beside { descriptors: Descriptors::Here(attachments), .. }) => attachments,
            _ => &[],
        }
    }
}

/// More attachments than a frame may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it refers to {count} shared regions, and may refer to at most {MAX_ATTACHMENTS}")]
#[non_exhaustive]
pub struct TooManyAttachments {
    /// The number of attachments.
    pub count: usize,
}

impl TryFrom<Vec<Attachment>> for Attachments {
    type Error = TooManyAttachments;

    fn try_from(attachments: Vec<Attachment>) -> Result<Self, TooManyAttachments> {
        match attachments.len() {
            0 => Ok(Self::NONE),
            count if count > MAX_ATTACHMENTS => Err(TooManyAttachments { count }),
            _ => Ok(Self::of(Descriptors::Here(attachments))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(count: usize) -> Vec<Attachment> {
        let file = || std::fs::File::open("/dev/null").unwrap();
        (0..count).map(|_| OwnedFd::from(file()).into()).collect()
    }

    #[test]
    fn a_payload_has_a_bounded_number_of_them() {
        assert_eq!(Attachments::try_from(some(0)), Ok(Attachments::NONE));
        assert_eq!(Attachments::try_from(some(MAX_ATTACHMENTS)).unwrap().count(), 16);
        let error = Attachments::try_from(some(MAX_ATTACHMENTS + 1)).unwrap_err();
        assert_eq!(error.to_string(), "it refers to 17 shared regions, and may refer to at most 16");
    }

    #[test]
    fn those_that_are_absent_are_counted_all_the_same() {
        assert_eq!((Attachments::absent(3).count(), Attachments::absent(3).as_slice().len()), (3, 0));
    }
}
