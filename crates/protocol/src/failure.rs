//! [`Failure`]: the application error of a job's function, into which every other error converts.

use crate::codec::{Decode, Encode, LocalFlag};
use crate::limits::{MAX_TEXT, cut};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::error::Error;
use std::fmt;

/// Maximum number of sources of an error that are followed, because a chain may lead back to itself.
const MAX_CAUSES: usize = 64;

/// An application's own error: the function ran and rejected the job.
///
/// `?` converts every error that converts to a `Box<dyn Error + Send + Sync>`. These are each
/// `std::error::Error` that threads may share, such a box itself, `anyhow::Error`, and a text. The chain of
/// its sources becomes the message, without those that the message already ends with.
///
/// ```
/// use procpool_protocol::Failure;
///
/// fn parse(text: &str) -> Result<u64, Failure> {
///     if text.is_empty() {
///         Err("a number is needed")?;
///     }
///     Ok(text.parse()?)
/// }
/// assert_eq!(parse("x").unwrap_err().to_string(), "invalid digit found in string");
/// ```
///
/// A custom error type that chooses the code implements `From` for `Failure` instead of `std::error::Error`:
///
/// ```
/// use procpool_protocol::Failure;
///
/// enum Refusal {
///     NotAnImage,
///     Io(std::io::Error),
/// }
///
/// impl From<Refusal> for Failure {
///     fn from(refusal: Refusal) -> Self {
///         match refusal {
///             Refusal::NotAnImage => Failure::new("this is no image").with_code("not_an_image"),
///             Refusal::Io(error) => Failure::from(error).as_broken(),
///         }
///     }
/// }
///
/// fn thumbnail(image: &[u8]) -> Result<(), Failure> {
///     if !image.starts_with(b"P5 ") {
///         Err(Refusal::NotAnImage)?;
///     }
///     Ok(())
/// }
/// assert_eq!(thumbnail(b"GIF").unwrap_err().code(), "not_an_image");
/// ```
///
/// [`Cancelled`] ends the job as cancelled, also as the source of another error or in an `anyhow::Error`.
///
/// A failure says that the input is the cause: the caller gets `JobError::Failed`, an HTTP client 422. A
/// failure that is marked with [`as_broken`](Self::as_broken) says that the job itself broke:
/// `JobError::Broke`, 500.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
pub struct Failure(
    /// As small as a pointer: each outcome has room for a failure, and most have none.
    Box<Parts>,
);

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
struct Parts {
    code: String,
    message: String,
    details: Option<String>,
    retryable: bool,
    /// Selects the status under which the failure is sent, and is not part of it.
    #[serde(skip)]
    broken: LocalFlag,
}

impl Failure {
    /// The code that ends a job as cancelled; [`Cancelled`] converts to it.
    pub const CANCELLED: &'static str = "cancelled";

    /// Returns a failure with the code `failed`.
    pub fn new(message: impl Into<String>) -> Self {
        let broken = LocalFlag::default();
        let (code, message) = ("failed".into(), cut(message.into()));
        Self(Box::new(Parts { code, message, details: None, retryable: false, broken }))
    }

    /// Returns the same failure with a code, a short word that programs compare.
    ///
    /// ```
    /// use procpool_protocol::Failure;
    ///
    /// let failure = Failure::new("94 is above 93").with_code("too_large").with_details(&[94, 93]);
    /// assert_eq!(failure.code(), "too_large");
    /// assert_eq!(failure.details::<(u64, u64)>(), Some((94, 93)));
    /// ```
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.0.code = cut(code.into());
        self
    }

    /// Returns the same failure with any serializable value for programs to read.
    #[must_use]
    pub fn with_details<T: Serialize + ?Sized>(mut self, details: &T) -> Self {
        // Details explain an error, so a failure to serialize them must not replace it.
        self.0.details = serde_json::to_string(details).ok().filter(|text| text.len() <= MAX_TEXT);
        self
    }

    /// Returns the same failure, marked as retryable: the same job may succeed later.
    ///
    /// ```
    /// use procpool_protocol::Failure;
    ///
    /// let busy = Failure::new("the tile server is busy").retryable();
    /// assert!(busy.is_retryable() && !busy.is_broken());
    /// ```
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.0.retryable = true;
        self
    }

    /// Returns the same failure, marked as broken: the job broke and its input is not the cause. Examples are
    /// an exception, a bug, and a missing database. The caller gets the outcome `broke` instead of `failed`,
    /// and over HTTP 500 instead of 422. The worker is not replaced.
    ///
    /// A free message's handler has no outcomes, so the mark has no effect there.
    ///
    /// ```
    /// use procpool_protocol::Failure;
    ///
    /// fn look_up(path: &str) -> Result<String, Failure> {
    ///     std::fs::read_to_string(path).map_err(|error| Failure::from(error).as_broken())
    /// }
    /// assert!(look_up("/no/such/file").unwrap_err().is_broken());
    /// ```
    #[must_use]
    pub fn as_broken(mut self) -> Self {
        self.0.broken = LocalFlag(true);
        self
    }

    /// Returns the code, a word for programs.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// Returns the message, a sentence for people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the details, if any, as a `T`.
    ///
    /// ```
    /// # use procpool_protocol::Failure;
    /// let failure = Failure::new("94 is above 93").with_details(&[94, 93]);
    /// assert_eq!(failure.details::<(u64, u64)>(), Some((94, 93)));
    /// assert_eq!(failure.details::<String>(), None);
    /// ```
    pub fn details<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.0.details.as_deref()?).ok()
    }

    /// Returns whether the same job may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// Returns whether the job broke, and its input is not the cause.
    pub fn is_broken(&self) -> bool {
        self.0.broken.0
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Failure({}: {:?})", self.0.code, self.0.message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.message)
    }
}

/// The job's caller no longer wants its outcome. `?` ends the job as cancelled.
///
/// ```
/// # use procpool_protocol::{Cancelled, Failure};
/// fn step(is_cancelled: bool) -> Result<(), Failure> {
///     if is_cancelled {
///         Err(Cancelled)?;
///     }
///     Ok(())
/// }
/// assert_eq!(step(true).unwrap_err().code(), Failure::CANCELLED);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the job was cancelled")
    }
}

impl Error for Cancelled {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&Unwanted)
    }
}

/// The source that identifies a [`Cancelled`] in an error that hides the type of its contents, as
/// `anyhow::Error` does.
#[derive(Debug, thiserror::Error)]
#[error("its caller wants it no longer, or its time is up")]
struct Unwanted;

// `Failure` itself is not a `std::error::Error`, because this conversion could not exist otherwise.
// `JobError::Failed` carries it if an error is needed. (`anyhow::Error` makes the same choice.)
impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        let mut message = error.to_string();
        let causes = std::iter::successors(error.source(), |&cause: &&(dyn Error + 'static)| cause.source());
        for cause in causes.take(MAX_CAUSES) {
            if cause.is::<Unwanted>() {
                return Self::new(message).with_code(Self::CANCELLED);
            }
            let text = cause.to_string();
            if !message.ends_with(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
        }
        Self::new(message)
    }
}
