//! Memory needs neither a path nor a permission: it is passed. So a worker of another user has it, too.

use procpool::{Executable, Job, Pool, PoolBuilder, SharedRegion};
use procpool_tests::binaries;
use procpool_tests::large::{Add, Adder, ECHO, Large, WHERE, input};
use procpool_tests::server::Scratch;
use procpool_tests::{eventually, other_user};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::Ordering::Relaxed;

const MIB: usize = 1 << 20;

/// Returns a worker that becomes nobody, and may not look into its coordinator. `None` where this process is
/// not root: then the test is skipped.
fn as_nobody(name: &str, scratch: &Scratch) -> Option<Executable> {
    if !other_user::can_be_had() {
        return None;
    }
    std::fs::set_permissions(scratch.path(), Permissions::from_mode(0o755)).unwrap();
    // Where the workspace is, others may not look.
    let copy = scratch.path().join(name);
    binaries::copy(name, &copy);
    let user = ["--reuid=65534", "--regid=65534", "--clear-groups"].map(str::to_owned);
    let args = user.into_iter().chain([copy.display().to_string()]);
    Some(Executable::find("setpriv").unwrap().with_args(args))
}

/// Starts a pool. A root that lacks `CAP_SYS_RESOURCE` may not limit a worker that has become nobody before that: then the
/// start fails, and the next one may be in time.
async fn started<J: Job>(builder: impl Fn() -> PoolBuilder<J>) -> Pool<J> {
    eventually("a pool of nobody's workers", async || builder().start().await.ok()).await
}

#[tokio::test]
async fn a_worker_of_another_user_has_the_region() {
    let scratch = Scratch::new();
    let Some(executable) = as_nobody("adder", &scratch) else {
        return;
    };
    let pool = started(|| Pool::<Adder>::builder(executable.clone()).workers(1..=1)).await;
    let uid = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(uid(pool.workers()[0].pid.unwrap()).contains("Uid:\t65534\t65534"));
    let region = SharedRegion::new(1024).unwrap();
    for _ in 0..10 {
        pool.run(Add { region: region.clone(), times: 10, then_dies: false }).await.unwrap();
    }
    assert_eq!(region[0].load(Relaxed), 100);
}

#[tokio::test]
async fn a_worker_of_another_user_has_its_arenas() {
    let scratch = Scratch::new();
    let Some(executable) = as_nobody("large", &scratch) else {
        return;
    };
    let pool = started(|| Pool::<Large>::builder(executable.clone()).workers(1..=1)).await;
    let both = async || {
        pool.run(input(ECHO, 0, MIB)).await.unwrap();
        let told = pool.run(input(WHERE, 0, MIB)).await.unwrap();
        let told = String::from_utf8_lossy(&told).into_owned();
        (told.contains("procpool-input") && told.contains("procpool-output")).then_some(())
    };
    eventually("input and output to lie in arenas", both).await;
}
