//! A registry over the storage of an earlier one.

use procpool_protocol::Payload;
use procpool_registry::{Decision, Event, Filter, Resumed};

use crate::desk::{Desk, HOUR, ok};
use crate::tested::reopened;

/// Ends the registry, and continues over its storage.
fn restart(desk: Desk) -> Desk {
    let (now, settings) = (desk.now, *desk.registry.settings());
    let mut next = Desk::over(reopened(desk.registry.into_storage(), now), settings, 8);
    next.now = now;
    next
}

#[test]
fn a_restart_loses_events_and_nothing_else() {
    let mut desk = Desk::new();
    let offer = desk.keyed("k", 1);
    let keyed = desk.run(offer);
    desk.start(keyed);
    desk.finish(keyed, ok("6"));
    let running = desk.running();
    desk.done(running, Event::Chunk(Payload::raw("x")));
    let usage = desk.registry.usage();

    let mut desk = restart(desk);
    assert_eq!(desk.registry.usage(), usage);
    assert_eq!(desk.list(&Filter::default(), 10), [running, keyed]);
    let offer = desk.keyed("k", 1);
    assert!(matches!(desk.offer(offer), Ok(Decision::Replay(..))));
    let newer = desk.queued();
    assert!(desk.record(newer).seq > desk.record(running).seq);
}

#[test]
fn a_number_of_a_record_is_never_used_again() {
    let mut desk = Desk::new();
    let job = desk.finished();
    let seq = desk.record(job).seq;
    desk.pass(24 * HOUR);
    desk.tick();
    let mut desk = restart(desk);
    let newer = desk.queued();
    assert!(desk.record(newer).seq > seq);
}

#[test]
fn a_watcher_continues_over_a_restart_with_the_whole_state() {
    let mut desk = Desk::new();
    let [running, finished] = [desk.running(), desk.finished()];
    let mut desk = restart(desk);
    for job in [running, finished] {
        for seen in [0, 3] {
            assert!(matches!(desk.registry.events(job, seen), Some(Resumed::Reset(_, 1))));
        }
    }
    assert!(matches!(desk.registry.events(finished, 1), Some(Resumed::Ended)));
    desk.finish(running, ok("6"));
    let Some(Resumed::Next(events)) = desk.registry.events(running, 1) else { panic!("no events") };
    assert_eq!(events.iter().map(|entry| entry.id).collect::<Vec<_>>(), [2]);
}
