//! Attachments: descriptors that are sent with a frame, beside its bytes.
//!
//! This crate sends and receives none, and does not know what is behind one. It counts them: the number stands in the frame's
//! header, so that a receiver knows which descriptor belongs to which frame.

use crate::limits::MAX_ATTACHMENTS;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// One descriptor, with whatever keeps it open. Clones are the same one.
#[derive(Clone)]
pub struct Attachment(Arc<dyn AsFd + Send + Sync>);

impl Attachment {
    /// The shared handle itself.
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

/// What goes along with a payload. As small as a pointer, as it stands in each payload and is most often nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachments(Option<Arc<Known>>);

#[derive(Debug, PartialEq, Eq)]
enum Known {
    Absent(u8),
    /// At least one.
    Here(Vec<Attachment>),
}

impl Attachments {
    /// Nothing, the usual case.
    pub const NONE: Self = Self(None);

    /// A single one.
    pub fn one(attachment: Attachment) -> Self {
        Self(Some(Arc::new(Known::Here(vec![attachment]))))
    }

    /// This number was announced, and they are not here: they have not been taken from the connection, or never came, or the
    /// payload was read from a file.
    pub fn absent(count: u8) -> Self {
        Self((count > 0).then(|| Arc::new(Known::Absent(count))))
    }

    /// Whether there are none, here or elsewhere.
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Number of those that are [`absent`](Self::absent), if any are.
    pub fn absentees(&self) -> Option<u8> {
        match self.0.as_deref() {
            Some(Known::Absent(count)) => Some(*count),
            _ => None,
        }
    }

    /// Number of them, as it stands in a frame's header.
    pub fn count(&self) -> u8 {
        match self.0.as_deref() {
            None => 0,
            Some(Known::Absent(count)) => *count,
            // `try_from` holds it to the bound, which fits.
            Some(Known::Here(attachments)) => u8::try_from(attachments.len()).unwrap_or(u8::MAX),
        }
    }

    /// Those that are here.
    pub fn as_slice(&self) -> &[Attachment] {
        match self.0.as_deref() {
            Some(Known::Here(attachments)) => attachments,
            _ => &[],
        }
    }
}

/// More attachments than a frame may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it refers to {count} shared regions, and may refer to at most {MAX_ATTACHMENTS}")]
pub struct TooManyAttachments {
    /// How many there are.
    pub count: usize,
}

impl TryFrom<Vec<Attachment>> for Attachments {
    type Error = TooManyAttachments;

    fn try_from(attachments: Vec<Attachment>) -> Result<Self, TooManyAttachments> {
        match attachments.len() {
            0 => Ok(Self::NONE),
            count if count > MAX_ATTACHMENTS => Err(TooManyAttachments { count }),
            _ => Ok(Self(Some(Arc::new(Known::Here(attachments))))),
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
