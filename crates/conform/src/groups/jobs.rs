//! Jobs one after the other: frames, numbers, headers, extras.

use crate::PATIENCE;
use crate::check::{Check, Checked, Group, ensure};
use crate::frame::{JSON, job, job_frame, job_with};
use crate::lab::Lab;
use crate::worker::expect;
use procpool_protocol::extras::{of_done, of_job};
use procpool_protocol::message::{Extra, Job, Status};
use std::time::Instant;

pub(super) const GROUP: Group = Group {
    name: "jobs",
    checks: &[
        Check::new(
            "answer",
            "A job is answered with exactly one Done, which has its number and END.",
            &["a-job-from-start-to-end", "frames"],
            answer,
        )
        .with_input(),
        Check::new(
            "job-byte-by-byte",
            "A Job frame may arrive in any pieces.",
            &["two-connections", "frames"],
            job_byte_by_byte,
        )
        .with_input(),
        Check::new(
            "many-jobs",
            "A worker answers one job after the other, each with its own number.",
            &["a-job-from-start-to-end"],
            many_jobs,
        )
        .with_input(),
        Check::new(
            "large-numbers",
            "Numbers of jobs have 64 bits, and a worker does not cut them.",
            &["a-job-from-start-to-end"],
            large_numbers,
        )
        .with_input(),
        Check::new(
            "job-headers",
            "A worker takes every deadline, attempt and credit, and does not act on the deadline.",
            &["job", "a-job-from-start-to-end"],
            job_headers,
        )
        .with_input(),
        Check::new(
            "unknown-extras",
            "A worker skips extras of a job that it does not know.",
            &["job", "limits"],
            unknown_extras,
        )
        .with_input(),
        Check::new(
            "long-varints",
            "A worker reads varints that are longer than they need be.",
            &["header-messages"],
            long_varints,
        )
        .with_input(),
        Check::new(
            "usage",
            "A worker sends processor time and peak memory only if the job asks for them.",
            &["done", "job"],
            usage,
        )
        .with_input(),
    ],
};

fn answer(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    worker.ask_ok(&lab.any()?)?;
    let is_silent = worker.jobs.is_silent(crate::SILENCE)?;
    ensure(is_silent, || "something came on jobs after Done".into())
}

fn job_byte_by_byte(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    worker.jobs.send_slowly(&job_frame(1, &job(), &lab.any()?).bytes())?;
    worker.sequence = 1;
    let (done, _) = worker.done(1)?;
    expect(&done, "Ok", |status| *status == Status::Ok)
}

fn many_jobs(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let input = lab.any()?;
    let begin = Instant::now();
    // A worker of slow jobs answers fewer.
    for number in 0..1000 {
        worker.ask_ok(&input)?;
        if number >= 10 && begin.elapsed() > PATIENCE / 10 {
            break;
        }
    }
    Ok(())
}

fn large_numbers(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let input = lab.any()?;
    for number in [1, (1 << 31) - 1, 1 << 31, 1 << 32, (1 << 32) + 1, (1 << 53) + 1, u64::MAX] {
        worker.sequence = number - 1;
        worker.ask_ok(&input)?;
    }
    Ok(())
}

fn job_headers(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let input = lab.any()?;
    let headers = [
        Job { remaining_nanos: Some(1), ..job() },
        Job { remaining_nanos: Some(0), ..job() },
        Job { remaining_nanos: Some(u64::MAX), ..job() },
        Job { attempt: u32::MAX, ..job() },
        Job { credit: Some(0), ..job() },
        Job { credit: Some(u32::MAX), ..job() },
        Job { id: [0xff; 16], ..job() },
    ];
    for header in headers {
        let sequence = worker.give_as(&header, JSON, &input)?;
        let (done, _) = worker.done(sequence)?;
        expect(&done, &format!("Ok with {header:?}"), |status| *status == Status::Ok)?;
    }
    Ok(())
}

fn unknown_extras(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let extra = |tag: u16, length: usize| Extra { tag, value: vec![0xee; length] };
    let sixteen = (100..116).map(|tag| extra(tag, usize::from(tag) * 7)).collect();
    for extras in [sixteen, vec![extra(u16::MAX, 0)], vec![extra(of_job::TRACEPARENT, 3)]] {
        let sequence = worker.give_as(&job_with(extras), JSON, &lab.any()?)?;
        let (done, _) = worker.done(sequence)?;
        expect(&done, "Ok", |status| *status == Status::Ok)?;
    }
    Ok(())
}

fn long_varints(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    // Attempt, remaining, reply, credit and extras: each number in the widest form of its type.
    let mut message = vec![7; 16];
    message.extend([0xfc, 1, 0, 0, 0]);
    message.extend([1, 0xfd, 1, 0, 0, 0, 0, 0, 0, 0]);
    message.extend([JSON, 1, 0xfb, 16, 0]);
    message.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0]);
    let frame = job_frame(1, &job(), &lab.any()?).message(message);
    worker.jobs.say(&frame)?;
    let (done, _) = worker.done(1)?;
    expect(&done, "Ok", |status| *status == Status::Ok)
}

fn usage(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let input = lab.any()?;
    let is_usage = |extra: &Extra| matches!(extra.tag, of_done::CPU_TIME | of_done::PEAK_MEMORY);
    let (done, _) = worker.ask(&input)?;
    ensure(!done.extras.iter().any(is_usage), || "extra 2 or 3 came, unasked".into())?;
    let sequence = worker.give_as(&job_with(vec![Extra::flag(of_job::REPORT_USAGE)]), JSON, &input)?;
    let (done, _) = worker.done(sequence)?;
    expect(&done, "Ok", |status| *status == Status::Ok)?;
    let Some(memory) = done.extras.iter().find(|extra| extra.tag == of_done::PEAK_MEMORY) else {
        return Ok(());
    };
    // `done` has checked the length. A process below 64 KiB or above 1 TiB counts in another unit.
    let bytes = u64::from_le_bytes(memory.value[..].try_into().unwrap_or_default());
    ensure((1 << 16..1 << 40).contains(&bytes), || format!("a peak memory of {bytes} bytes"))
}
