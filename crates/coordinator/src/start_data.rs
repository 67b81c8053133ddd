//! [`StartData`]: the data that workers receive at their start, kept as a value until its encoding is known.

use crate::regions;
use procpool_process::WorkerData;
use procpool_protocol::{Encoding, Payload, PayloadError};
use serde::Serialize;
use std::fmt;

type Encode = dyn Fn(Encoding) -> Result<Payload, PayloadError> + Send;

/// A value for workers that is not encoded yet.
#[derive(Default)]
pub(crate) struct StartData(Option<Box<Encode>>);

impl fmt::Debug for StartData {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.0.is_some() { "StartData(a value)" } else { "StartData(none)" })
    }
}

impl StartData {
    pub(crate) fn of<T: Serialize + Send + 'static>(value: T) -> Self {
        Self(Some(Box::new(move |encoding| regions::encode(&value, encoding))))
    }

    /// Returns the encoded value, or `None` where no value was given.
    pub(crate) fn encode(&self, encoding: Encoding) -> Result<Option<WorkerData>, PayloadError> {
        self.0.as_ref().map(|encode| WorkerData::encode(encoding, encode)).transpose()
    }
}
