//! The order in which waiting jobs run: priorities, the turns of tenants, and pauses.

use procpool::{JobHandle, Pool, Priority};
use procpool_tests::library::{begin, echo, idle, verbs};
use procpool_tests::server::Scratch;
use procpool_tests::verbs::{Verb, Verbs};

/// Submits jobs that write their names to one file.
struct Names<'a> {
    pool: &'a Pool<Verbs>,
    file: String,
    jobs: Vec<JobHandle<Verbs>>,
}

impl Names<'_> {
    fn submit(&mut self, name: &str, priority: Priority, tenant: &str) {
        let job = self.pool.job(Verb::Log(self.file.clone(), name.into()));
        self.jobs.push(job.priority(priority).tenant(tenant).try_submit().unwrap());
    }

    /// Returns the names in the order in which the jobs ran, once all have.
    async fn ran(self) -> Vec<String> {
        for job in self.jobs {
            job.await.unwrap();
        }
        std::fs::read_to_string(self.file).unwrap().lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn a_paused_pool_accepts_jobs_and_begins_them_when_it_is_resumed() {
    let pool = verbs(1).queue(1).start().await.unwrap();
    idle(&pool, 1).await;
    pool.pause();
    assert!(pool.status().paused);
    let waits = pool.try_submit(echo("waits")).unwrap();
    let refused = pool.try_submit(echo("no room")).unwrap_err().to_string();
    assert!(refused.contains("1 jobs waiting"), "{refused}");
    assert_eq!((pool.status().queued, pool.status().running), (1, 0));
    pool.resume();
    assert_eq!((waits.await.unwrap(), pool.status().paused), ("waits".to_owned(), false));
}

#[tokio::test]
async fn the_one_job_of_a_tenant_is_next_but_one_and_a_higher_priority_is_next() {
    let scratch = Scratch::new();
    let pool = verbs(1).queue(2_000).start().await.unwrap();
    idle(&pool, 1).await;
    let (held, _) = begin(&pool, Verb::Obey).await;
    let file = scratch.path().join("ran").display().to_string();
    let mut names = Names { pool: &pool, file, jobs: Vec::new() };
    for number in 0..1_000 {
        names.submit(&format!("a{number}"), Priority::Normal, "a");
    }
    names.submit("b", Priority::Normal, "b");
    names.submit("high", Priority::High, "a");
    drop(held);
    let ran = names.ran().await;
    assert_eq!((ran.len(), &ran[..4]), (1_002, &["high", "a0", "b", "a1"].map(str::to_owned)[..]));
}
