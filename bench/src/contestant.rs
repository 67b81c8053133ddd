//! The contestants of a row, and the yield of a turn.

use crate::sample::Sample;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// Anything that goes wrong in a benchmark ends its row, with its text.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// One turn's work.
pub type Turn<'a> = Pin<Box<dyn Future<Output = Result<Measured>> + Send + 'a>>;

/// The yield of a turn.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// The figure that is compared, in the row's unit.
    pub value: f64,
    /// Where single operations were timed.
    pub latencies: Sample,
}

impl Measured {
    pub fn value(value: f64) -> Self {
        Self { value, latencies: Sample::default() }
    }

    /// Compared by this share of the operations' times, in microseconds.
    pub fn quantile(latencies: Sample, share: f64) -> Self {
        Self { value: latencies.quantile(share), latencies }
    }
}

/// Takes turns with the others of its row.
pub trait Contestant: Send {
    fn name(&self) -> &str;

    /// Works once.
    fn turn(&mut self) -> Turn<'_>;
}

impl fmt::Debug for dyn Contestant + '_ {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// A contestant out of a function.
pub struct By<F> {
    name: String,
    turn: F,
}

impl<F> fmt::Debug for By<F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.name)
    }
}

/// Returns one whose turn is this function's future.
pub fn by<F, R>(name: &str, turn: F) -> Box<dyn Contestant>
where
    F: FnMut() -> R + Send + 'static,
    R: Future<Output = Result<Measured>> + Send + 'static,
{
    Box::new(By { name: name.to_owned(), turn })
}

impl<F, R> Contestant for By<F>
where
    F: FnMut() -> R + Send,
    R: Future<Output = Result<Measured>> + Send + 'static,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn turn(&mut self) -> Turn<'_> {
        Box::pin((self.turn)())
    }
}
