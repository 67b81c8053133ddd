//! F27: which descriptors a worker has, and with whom it shares them.

use procpool_tests::library::{idle, verbs};
use procpool_tests::process;
use std::collections::BTreeSet;

#[tokio::test]
async fn eight_workers_that_start_at_once_share_no_descriptor() {
    let pool = verbs(8).start().await.unwrap();
    idle(&pool, 8).await;
    let mut all = Vec::new();
    for pid in pool.workers().iter().filter_map(|worker| worker.pid) {
        let open = process::open_files(pid);
        let kinds: Vec<_> = open.iter().map(|target| target.split(':').next().unwrap()).collect();
        // Standard input, output and error; jobs and control. Its page is no longer open when it is mapped.
        assert_eq!(kinds, ["/dev/null", "pipe", "pipe", "socket", "socket"], "{open:?}");
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let inode = |line: &str| line.split_whitespace().nth(4).unwrap().to_owned();
        let pages: BTreeSet<_> =
            maps.lines().filter(|line| line.contains("/memfd:procpool-page")).map(inode).collect();
        assert_eq!(pages.len(), 1, "{maps}");
        all.extend(open.into_iter().skip(1));
        all.extend(pages);
    }
    let different: BTreeSet<_> = all.iter().collect();
    assert_eq!((all.len(), different.len()), (40, 40), "{all:?}");
}
