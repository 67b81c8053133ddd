//! Workers in sandboxes and hosts that nobody may look into, beside a worker and a host as they are: nothing is opened by a
//! path, so nothing may be slower.

use super::in_flight::rate;
use super::payload::{SIZE, round_trips};
use super::{Blob, Kit, all_ready};
use crate::contest::{Goal, Row};
use crate::contestant::{Contestant, Measured, Result, Turn};
use crate::places;
use procpool::{Executable, Job, Pool};
use procpool_ping::Ping;
use rustix::process::{DumpableBehavior, geteuid, set_dumpable_behavior};
use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Jobs in flight at once.
const LANES: usize = 64;

/// As fast as without, within a tenth.
const WITHIN: f64 = 1.1;

/// Where a worker works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Plain,
    Landlock,
    /// The worker is nobody's.
    OtherUser,
    /// The host is not dumpable.
    HiddenHost,
}

const SANDBOXES: [Place; 3] = [Place::Landlock, Place::OtherUser, Place::HiddenHost];

/// The measurement of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    InFlight(usize),
    Payload(usize),
}

pub(super) async fn in_flight(kit: Kit) -> Result<Row> {
    let work = Work::InFlight(kit.args.effort(100_000));
    let row = Row::new("sandboxed-in-flight", "64 small jobs in flight, one worker", "jobs/s", plain(work));
    Ok(SANDBOXES.into_iter().fold(row, |row, place| {
        row.peer(place.name(), sandboxed(place, work)).goal(Goal::AtMost(WITHIN, place.name()))
    }))
}

pub(super) async fn payload(kit: Kit) -> Result<Row> {
    let work = Work::Payload(kit.args.effort(20));
    let row = Row::new("sandboxed-payload", "16 MiB there and back, p50", "µs", plain(work));
    Ok(SANDBOXES.into_iter().fold(row, |row, place| {
        row.peer(place.name(), sandboxed(place, work)).goal(Goal::AtLeast(1.0 / WITHIN, place.name()))
    }))
}

fn plain(work: Work) -> Box<dyn Contestant> {
    Box::new(Sandboxed { place: Place::Plain, work })
}

fn sandboxed(place: Place, work: Work) -> std::result::Result<Box<dyn Contestant>, String> {
    match place {
        Place::OtherUser if !geteuid().is_root() => {
            Err("only root may start a worker as another user".into())
        }
        place => Ok(Box::new(Sandboxed { place, work })),
    }
}

struct Sandboxed {
    place: Place,
    work: Work,
}

impl Contestant for Sandboxed {
    fn name(&self) -> &str {
        self.place.name()
    }

    fn turn(&mut self) -> Turn<'_> {
        Box::pin(async {
            let _hidden = (self.place == Place::HiddenHost).then(Hidden::new).transpose()?;
            match self.work {
                Work::InFlight(count) => {
                    let pool = self.place.pool::<Ping>("procpool-ping").await?;
                    // Cold, the first thousands are slower.
                    rate(&pool, LANES, count / 5).await?;
                    Ok(Measured::value(rate(&pool, LANES, count).await?))
                }
                Work::Payload(count) => {
                    let pool = self.place.pool::<Blob>("bench-echo").await?;
                    let input = bytes::Bytes::from(vec![7; SIZE]);
                    // Until it has arenas.
                    round_trips(&pool, &input, 5).await?;
                    round_trips(&pool, &input, count).await
                }
            }
        })
    }
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "procpool",
            Self::Landlock => "under Landlock",
            Self::OtherUser => "of another user",
            Self::HiddenHost => "host not dumpable",
        }
    }

    /// Returns a pool of one worker, which is ready.
    async fn pool<J: Job>(self, worker: &str) -> Result<Pool<J>> {
        let scratch = std::env::temp_dir().join(format!("procpool-bench-{}", std::process::id()));
        let executable = match self {
            Self::Plain | Self::HiddenHost => places::worker(worker)?,
            Self::Landlock => places::worker("bench-landlock")?.with_args([places::file(worker)?]),
            Self::OtherUser => as_nobody(worker, &scratch)?,
        };
        let pool = Pool::builder(executable).workers(1..=1).queue(1_000_000).start().await;
        if self == Self::OtherUser {
            std::fs::remove_dir_all(scratch)?;
        }
        all_ready(pool?, 1).await
    }
}

/// Returns a copy where others may look.
fn as_nobody(worker: &str, scratch: &Path) -> Result<Executable> {
    std::fs::create_dir_all(scratch)?;
    set_permissions(scratch, Permissions::from_mode(0o755))?;
    let copy = scratch.join(worker);
    std::fs::copy(places::file(worker)?, &copy)?;
    let ids = ["--reuid=65534", "--regid=65534", "--clear-groups"].map(Into::into);
    Ok(Executable::find("setpriv")?.with_args(ids.into_iter().chain([copy.into_os_string()])))
}

/// Keeps workers from opening anything of this process by its path, until it is dropped.
struct Hidden(());

impl Hidden {
    fn new() -> Result<Self> {
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
        Ok(Self(()))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // It was so before, so it may be so again.
        let _ = set_dumpable_behavior(DumpableBehavior::Dumpable);
    }
}
