//! Every patience, a moment before it ends and at its end.

use super::*;

const PATIENCE: Patience = Patience { head: seconds(10), idle: seconds(75), write: seconds(30), rate: 1024 };
const KIB: u64 = 1024;

const fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

/// Returns a connection that began at the returned time.
fn begun() -> (Life, Instant) {
    let now = Instant::now();
    (Life::new(now), now)
}

fn closes(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Close(_))
}

#[test]
fn a_client_that_never_asks_has_the_time_of_a_head_whatever_it_sends() {
    let (mut life, start) = begun();
    life.received(start + seconds(9));
    assert_eq!(life.verdict(start, &PATIENCE), Verdict::Stay(start + seconds(10)));
    assert!(closes(&life.verdict(start + seconds(10), &PATIENCE)));
}

#[test]
fn a_kept_connection_may_idle_for_longer_than_a_head_may_take() {
    let (mut life, start) = begun();
    let exchange = life.asked(false);
    life.answered(exchange, Sending::Whole, start);
    life.ended(exchange, start + seconds(1));
    assert_eq!(life.verdict(start + seconds(60), &PATIENCE), Verdict::Stay(start + seconds(76)));
    assert_eq!(life.verdict(start + seconds(76), &PATIENCE), Verdict::Leave);
    life.leave(start + seconds(76));
    assert!(closes(&life.verdict(start + seconds(77), &PATIENCE)), "who does not hang up is closed");
}

#[test]
fn a_later_head_has_its_time_from_its_first_byte() {
    let (mut life, start) = begun();
    let exchange = life.asked(false);
    life.ended(exchange, start);
    life.received(start + seconds(60));
    life.received(start + seconds(69));
    assert_eq!(life.verdict(start + seconds(69), &PATIENCE), Verdict::Stay(start + seconds(70)));
    assert!(closes(&life.verdict(start + seconds(70), &PATIENCE)));
}

#[test]
fn a_job_may_take_any_time() {
    let (mut life, start) = begun();
    life.asked(true);
    assert!(matches!(life.verdict(start + seconds(1_000_000), &PATIENCE), Verdict::Stay(_)));
}

#[test]
fn an_answer_of_which_nothing_is_taken_is_given_up_and_one_that_is_taken_steadily_is_not() {
    let (mut life, start) = begun();
    let exchange = life.asked(false);
    life.answered(exchange, Sending::Whole, start);
    let mut now = start;
    for _ in 0..1000 {
        now += seconds(29);
        life.took(exchange, 30 * KIB, now);
        assert_eq!(life.verdict(now, &PATIENCE), Verdict::Stay(now + seconds(30)));
    }
    assert!(closes(&life.verdict(now + seconds(30), &PATIENCE)));
}

#[test]
fn an_answer_that_is_taken_byte_by_byte_is_given_up_by_its_rate() {
    let (mut life, start) = begun();
    let exchange = life.asked(false);
    life.answered(exchange, Sending::Whole, start);
    life.took(exchange, KIB, start + seconds(29));
    assert_eq!(life.verdict(start + seconds(29), &PATIENCE), Verdict::Stay(start + seconds(31)));
    life.sent(start + seconds(30));
    assert!(closes(&life.verdict(start + seconds(31), &PATIENCE)));
    let any_rate = Patience { rate: 0, ..PATIENCE };
    assert_eq!(life.verdict(start + seconds(31), &any_rate), Verdict::Stay(start + seconds(60)));
}

#[test]
fn a_stalled_stream_is_ended_alone_and_closes_the_connection_if_that_does_not_help() {
    let (mut life, start) = begun();
    let (stalled, running) = (life.asked(true), life.asked(true));
    life.answered(stalled, Sending::Whole, start);
    life.sent(start + seconds(29));
    let now = start + seconds(30);
    assert_eq!(life.verdict(now, &PATIENCE), Verdict::Abort(vec![stalled]));
    assert_eq!(life.verdict(now, &PATIENCE), Verdict::Stay(now + FAREWELL));
    assert!(closes(&life.verdict(now + FAREWELL, &PATIENCE)), "it holds its answer still");

    life.ended(stalled, now);
    assert!(matches!(life.verdict(now + FAREWELL, &PATIENCE), Verdict::Stay(_)));
    life.answered(running, Sending::Whole, now);
    assert!(closes(&life.verdict(now + seconds(30), &PATIENCE)), "nothing is taken at all");
}

#[test]
fn a_live_answer_has_a_deadline_only_while_the_client_owes_something() {
    let (mut life, start) = begun();
    let exchange = life.asked(false);
    life.answered(exchange, Sending::Live { in_chunks: true }, start);
    assert_eq!(life.owes_over_http_1(), None, "it is not known yet whether there is something to send");
    assert!(closes(&life.verdict(start + seconds(30), &PATIENCE)));
    life.waits(exchange);
    assert_eq!(life.owes_over_http_1(), Some(Owed::Chunk));
    assert!(matches!(life.verdict(start + seconds(10_000), &PATIENCE), Verdict::Stay(_)));

    let later = start + seconds(10_000);
    life.handed(exchange, 10, later);
    assert_eq!(life.owes_over_http_1(), None);
    assert_eq!(life.verdict(later + seconds(29), &PATIENCE), Verdict::Stay(later + seconds(30)));
    life.waits(exchange);
    assert!(closes(&life.verdict(later + seconds(30), &PATIENCE)), "these bytes are not taken");
    life.took(exchange, 10, later + seconds(30));
    assert!(matches!(life.verdict(later + seconds(90), &PATIENCE), Verdict::Stay(_)));
    life.whole(exchange);
    assert!(closes(&life.verdict(later + seconds(90), &PATIENCE)), "its end is not taken");
}

#[test]
fn a_live_answer_that_is_given_up_is_a_cancel() {
    let (mut life, start) = begun();
    for is_whole in [true, false] {
        assert!(!life.is_too_cancelling());
        for _ in 0..=CANCELS {
            let exchange = life.asked(true);
            life.answered(exchange, Sending::Live { in_chunks: false }, start);
            if is_whole {
                life.whole(exchange);
            }
            life.ended(exchange, start);
        }
    }
    assert!(life.is_too_cancelling());
}

#[test]
fn cancels_are_counted_on_http_2_and_forgiven_one_by_one() {
    let (mut life, start) = begun();
    let cancel = |life: &mut Life, now| {
        let exchange = life.asked(true);
        life.ended(exchange, now);
    };
    (0..CANCELS).for_each(|_| cancel(&mut life, start));
    assert!(!life.is_too_cancelling());
    (1..1000).for_each(|second| cancel(&mut life, start + seconds(second)));
    assert!(!life.is_too_cancelling(), "one a second is nothing");
    cancel(&mut life, start + seconds(999));
    assert_eq!(life.verdict(start + seconds(999), &PATIENCE), Verdict::Calm);
}

#[test]
fn an_answered_request_is_no_cancel() {
    let (mut life, start) = begun();
    for _ in 0..1000 {
        let exchange = life.asked(true);
        life.answered(exchange, Sending::Whole, start);
        life.ended(exchange, start);
    }
    assert!(!life.is_too_cancelling());
}
