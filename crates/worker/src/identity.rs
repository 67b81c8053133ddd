//! The description of this executable: for the coordinator in its hello, and for people who start
//! it by hand.

use procpool_protocol::arena::TakesArenas;
use procpool_protocol::codec::CodecError;
use procpool_protocol::encodings::Encodings;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::handshake::{Description, Hello, Mode};
use procpool_protocol::message::json_frame;
use procpool_protocol::{Job, Schema};
use std::ffi::OsString;
use std::path::Path;
use std::sync::OnceLock;

/// Name and version of this SDK.
pub(crate) const SDK: &str = concat!("procpool-worker ", env!("CARGO_PKG_VERSION"));

/// A worker executable's name, contract and modes.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) job: String,
    pub(crate) contract: u32,
    pub(crate) build: Option<&'static str>,
    pub(crate) modes: &'static [Mode],
    schema: fn() -> Option<Schema>,
    /// Its introduction, once that was needed. Forks of a template have the template's.
    hello: OnceLock<Frame>,
}

impl Identity {
    /// Returns the identity of a worker of `J`. It also serves free messages, and answers each with its
    /// function's output.
    pub(crate) fn of_job<J: Job>() -> Self {
        Self {
            job: J::NAME.into(),
            contract: J::VERSION,
            build: J::BUILD,
            modes: &[Mode::Jobs, Mode::Messages],
            schema: J::schema,
            hello: OnceLock::new(),
        }
    }

    /// Returns the identity of a worker of free messages, which is named after its executable.
    pub(crate) fn of_messages() -> Self {
        Self {
            job: executable(),
            contract: 1,
            build: None,
            modes: &[Mode::Messages],
            schema: || None,
            hello: OnceLock::new(),
        }
    }

    /// Returns its introduction.
    pub(crate) fn hello(&self) -> Result<Frame, CodecError> {
        if let Some(frame) = self.hello.get() {
            return Ok(frame.clone());
        }
        let frame = json_frame(Kind::Hello, &self.introduction())?;
        Ok(self.hello.get_or_init(|| frame).clone())
    }

    fn introduction(&self) -> Hello {
        Hello {
            job: self.job.clone(),
            contract: self.contract,
            schema_hash: (self.schema)().map(|schema| schema.hash()),
            modes: self.modes.into(),
            sdk: SDK.into(),
            build: self.build.map(str::to_owned),
            page: true,
            batches: self.modes.contains(&Mode::Jobs),
            arenas: Some(TakesArenas::Received),
            forks: self.modes.contains(&Mode::Jobs) && cfg!(all(target_os = "linux", target_env = "gnu")),
            encodings: Encodings::ALL,
            concurrency: 1,
        }
    }

    pub(crate) fn description(&self) -> Description {
        let schema = (self.schema)();
        let schema_hash = schema.as_ref().map(Schema::hash);
        let (input, output) = schema.map(|schema| (schema.input, schema.output)).unzip();
        Description {
            job: self.job.clone(),
            contract: self.contract,
            schema_hash,
            input,
            output,
            modes: self.modes.into(),
            sdk: SDK.into(),
            build: self.build.map(str::to_owned),
        }
    }
}

/// Returns the file name of this executable as it was started. A coordinator that starts a pinned
/// copy passes the original's name as the first argument.
pub(crate) fn executable() -> String {
    let started_as = std::env::args_os().next().unwrap_or_else(|| OsString::from("worker"));
    let name = Path::new(&started_as).file_name().unwrap_or(&started_as);
    name.to_string_lossy().into_owned()
}
