//! A worker one of whose threads does not stop, because it is in a system call that nothing interrupts.
#![allow(unsafe_code)]

use super::*;

const COPY: &str = "snapshot::tests::uninterruptible::a_copy_of_these_tests_has_such_a_thread";

#[tokio::test]
async fn a_thread_that_does_not_stop_is_left_out_and_holds_up_no_other() {
    let own = std::env::current_exe().expect("a file");
    let (process, _ends) = running(&own, &["--exact", COPY]).await;
    let number = pid(&process);
    let named = |name: &str| {
        let threads = super::super::proc::other_threads(number, MOST_THREADS);
        threads.into_iter().find(|it| super::super::proc::thread_name(number, *it) == name)
    };
    let waits = |thread| super::super::proc::is_uninterruptible(number, thread);
    until(|| named("waits").is_some_and(waits) && named("sleeper").is_some());
    let snapshot = take(process.clone(), Threads::All, LONG, ()).await.expect("a snapshot");
    let names: Vec<_> = snapshot.threads.iter().map(|it| &*it.name).collect();
    assert!(names.contains(&"sleeper") && !names.contains(&"waits"), "{names:?}");
    assert_eq!(snapshot.note.as_deref(), Some("1 thread did not stop in time, and is left out"));
    // Nothing of it is traced any longer: that one would stop when its call ends.
    let waiting = named("waits").expect("it waits for ever");
    let tracer = || std::fs::read_to_string(format!("/proc/{waiting}/status")).unwrap_or_default();
    until(|| tracer().contains("TracerPid:\t0\n"));
    process.kill();
    until(|| process.has_ended());
    process.bury();
}

/// Does nothing where the tests run; see [`CROWDED`].
#[test]
fn a_copy_of_these_tests_has_such_a_thread() {
    if std::env::var_os(CROWDED).is_none() {
        return;
    }
    let sleeper = std::thread::Builder::new().name("sleeper".into()).spawn(std::thread::park);
    let waits = std::thread::Builder::new().name("waits".into()).spawn(wait_uninterruptibly);
    waits.and(sleeper).expect("threads").join().expect("it sleeps");
}

/// Waits for a child that never begins another program.
fn wait_uninterruptibly() {
    let flags = libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: without CLONE_VM this is `fork` with another way to wait: the child has memory of its own.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    if child != 0 {
        return;
    }
    loop {
        // SAFETY: the child calls nothing else, and this is allowed after the fork of a process with threads.
        unsafe { libc::pause() };
    }
}
