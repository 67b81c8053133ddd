//! A pool that starts no process.

use crate::limits::PoolLimits;
use procpool_process::{EncodingAgreement, Executable, Origin, Pinned, Recipe, WorkerData};
use procpool_protocol::Payload;
use procpool_protocol::handshake::Mode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

fn pinned() -> Pinned {
    static PINNED: OnceLock<Pinned> = OnceLock::new();
    let pin = || Executable::path("/bin/true").and_then(|it| it.pin()).expect("an executable");
    PINNED.get_or_init(pin).clone()
}

pub(super) fn limits() -> PoolLimits {
    PoolLimits { queue: 200, max_payload: 1 << 20, ..PoolLimits::default() }
}

pub(crate) fn recipe() -> Recipe {
    let limits = limits();
    Recipe {
        name: "simulated".into(),
        origin: Origin::Spawned(pinned()),
        templates: None,
        inherit_env: Vec::new(),
        env: Vec::new(),
        current_dir: None,
        sends_ahead: true,
        crash_stacks: false,
        limits: limits.worker,
        mode: Mode::Jobs,
        job: None,
        expects: Arc::default(),
        takes_arenas: Arc::default(),
        worker_data: WorkerData::from(Payload::none()),
        encodings: Arc::new(EncodingAgreement::new(None)),
        max_payload: limits.max_payload,
        step_timeout: Duration::from_secs(1),
    }
}
