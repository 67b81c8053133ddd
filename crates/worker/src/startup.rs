//! A worker's information at its start: its name, and its worker data.

use crate::regions;
use procpool_protocol::{Payload, PayloadError};
use serde::de::DeserializeOwned;

/// The information from the coordinator when it accepts this worker.
#[derive(Clone, Debug)]
pub struct Startup {
    pub(crate) worker: String,
    pub(crate) worker_data: Payload,
    /// Maximum payload in either direction, in bytes.
    pub(crate) max_payload: u32,
}

/// The worker data is not what the worker expects.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerDataError {
    /// The coordinator sent no worker data.
    #[error(
        "failed to read the worker data: there is none; give it to the pool or the worker that is started"
    )]
    Absent,
    /// The worker data does not decode to the expected type.
    #[error("failed to read the worker data: {0}")]
    Unreadable(PayloadError),
}

impl From<PayloadError> for WorkerDataError {
    fn from(error: PayloadError) -> Self {
        Self::Unreadable(error)
    }
}

impl Startup {
    /// Returns this worker's name in the coordinator's logs and reports: `fib-3`.
    pub fn worker(&self) -> &str {
        &self.worker
    }

    /// Returns the data that the pool or worker was configured with for every process it starts.
    ///
    /// Decoded at each call. Data that is expensive to decode belongs in the state that
    /// [`serve_with`](crate::serve_with) creates once.
    ///
    /// ```
    /// use procpool_worker::{Failure, Startup};
    ///
    /// struct Model(Vec<u8>);
    ///
    /// fn load(startup: &Startup) -> Result<Model, Failure> {
    ///     let path: String = startup.worker_data()?;
    ///     Ok(Model(std::fs::read(path)?))
    /// }
    /// ```
    ///
    /// # Errors
    /// When there is none, or it is not a `T`.
    pub fn worker_data<T: DeserializeOwned + 'static>(&self) -> Result<T, WorkerDataError> {
        match &self.worker_data {
            data if *data == Payload::none() => Err(WorkerDataError::Absent),
            data => Ok(regions::decode(data)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn startup(worker_data: Payload) -> Startup {
        Startup { worker: "fib-1".into(), worker_data, max_payload: 0 }
    }

    #[test]
    fn worker_data_is_typed() {
        let startup = startup(Payload::json(r#"["a",1]"#));
        assert_eq!(startup.worker_data::<(String, u8)>().unwrap(), ("a".into(), 1));
        assert!(matches!(startup.worker_data::<u8>(), Err(WorkerDataError::Unreadable(_))));
    }

    #[test]
    fn absent_worker_data_says_so() {
        let error = startup(Payload::none()).worker_data::<u8>().unwrap_err().to_string();
        assert!(error.contains("there is none"), "{error}");
    }
}
