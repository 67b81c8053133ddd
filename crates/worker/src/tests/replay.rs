//! A saved job run again without a coordinator.

use super::memory::Marked;
use super::*;
use crate::arguments::SavedJobs;
use crate::replay::{self, ReplayError, Sitting};
use crate::transcript::Transcript;
use procpool_protocol::JobId;
use procpool_protocol::arena::MIN_SHARED;
use procpool_protocol::attachments::Attachments;
use procpool_protocol::extras::{Extra, of_job};
use procpool_protocol::recording::{FORMAT, FORMAT_WITH_HISTORY, Recording, SavedJob, SavedLimits};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

/// A stream that the test reads, too.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Page {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn saved(message: &message::Job, input: Payload) -> SavedJob {
    let recording = Recording {
        format: FORMAT,
        pool: "numbers".into(),
        job: "number".into(),
        contract: 5,
        build: Some("1.4.1".into()),
        executable: "/opt/number".into(),
        args: Vec::new(),
        current_dir: None,
        env: BTreeMap::new(),
        id: JobId::from_bytes(message.id),
        attempt: message.attempt,
        outcome: "crashed".into(),
        summary: "the worker\x1b[2J crashed".into(),
        jobs_before: None,
        limits: SavedLimits::default(),
    };
    SavedJob {
        recording,
        welcome: welcome(Mode::Jobs),
        worker_data: Payload::json("100"),
        history: Vec::new(),
        job: job(7, message, input),
    }
}

/// Runs jobs again with the worker data as their state. Returns how they ended, their output, and the notes.
fn again(
    saved: SavedJob,
    f: impl FnMut(&mut u64, u64, &Context<Number>) -> Result<u64, Failure>,
) -> (Ending, String, String) {
    again_all(sitting(vec![saved], false), f)
}

fn again_all(
    sitting: Sitting,
    f: impl FnMut(&mut u64, u64, &Context<Number>) -> Result<u64, Failure>,
) -> (Ending, String, String) {
    let (notes, output) = (Page::default(), Page::default());
    let transcript = Transcript::new(notes.clone(), output.clone());
    let ending = replay::again::<Number, u64>(sitting, transcript, |startup| Ok(startup.worker_data()?), f);
    (ending.unwrap(), output.text(), notes.text())
}

/// Creates a sitting of these files, with their earlier jobs if `with_history`.
fn sitting(files: Vec<SavedJob>, with_history: bool) -> Sitting {
    Sitting::new(files.into_iter().map(|saved| ("a.job".into(), saved)).collect(), with_history)
}

#[test]
fn the_function_runs_with_the_saved_state_input_and_facts() {
    let message = message::Job { attempt: 2, remaining_nanos: Some(1), ..message() };
    let (ending, output, notes) = again(saved(&message, number(7)), |state, n, cx| {
        assert_eq!((cx.attempt(), cx.job_id()), (2, JobId::from_bytes([0xab; 16])));
        assert_eq!(cx.remaining(), None, "no deadline is enforced");
        cx.progress(1, Some(2));
        cx.log(crate::Level::Warn, "odd\x1b[2J");
        cx.check()?;
        Ok(*state + n)
    });
    assert_eq!((ending, output.as_str()), (Ending::Finished, "107\n"));
    assert!(
        notes.contains("running job abababababababababababababababab of pool `numbers` again"),
        "{notes}"
    );
    assert!(notes.contains("saved from build 1.4.1; this is build 1.4.2"), "{notes}");
    assert!(notes.contains("procpool-worker: warn: odd\\u{1b}[2J\n"), "{notes}");
    assert!(notes.contains("progress: 1 of 2\n") && notes.contains("the job ended well after "), "{notes}");
}

#[test]
fn a_job_whose_bytes_travelled_apart_is_run_with_its_parameters() {
    let value = (41_u64, Bytes::from(vec![7; MIN_SHARED]));
    let input = Payload::encode_apart(&value, Encoding::Bincode).unwrap();
    let extras = vec![Extra::rest(of_job::REST, &input).expect("a rest")];
    let input = Payload::new(Encoding::Bincode, input.bytes);
    let mut saved = saved(&message::Job { extras, ..message() }, input);
    saved.welcome.max_payload = 1 << 20;
    let mut file = Vec::new();
    saved.write(&mut file).unwrap();
    let sitting = sitting(vec![SavedJob::read(&file[..]).unwrap()], false);
    let transcript = Transcript::new(Page::default(), Page::default());
    let again = replay::again::<Marked, ()>(
        sitting,
        transcript,
        |_| Ok(()),
        |(), input, _| {
            assert_eq!(input, value);
            Ok(input)
        },
    );
    assert_eq!(again.unwrap(), Ending::Finished);
}

#[test]
fn a_file_does_not_control_the_terminal() {
    let (_, _, notes) = again(saved(&message(), number(7)), |_, n, _| Ok(n));
    assert!(notes.contains("attempt 1 ended as crashed: the worker\\u{1b}[2J crashed\n"), "{notes:?}");
}

#[test]
fn chunks_are_told_beside_the_output_though_nobody_listened_then() {
    let (ending, output, notes) = again(saved(&message(), number(100)), |_, n, cx| {
        (0..n).try_for_each(|chunk| cx.emit(chunk.to_string()))?;
        Ok(n)
    });
    assert_eq!((ending, output.as_str()), (Ending::Finished, "100\n"));
    assert!(notes.contains("chunk: \"0\"\n") && notes.contains("chunk: \"99\"\n"), "{notes}");
}

#[test]
fn an_output_that_nobody_reads_is_told_by_its_size() {
    let message = message::Job { reply: Encoding::Bincode.into(), ..message() };
    let (ending, output, notes) = again(saved(&message, number(7)), |_, n, _| Ok(n));
    assert_eq!((ending, output.as_str()), (Ending::Finished, ""));
    assert!(notes.contains("; its output: 1 bytes of bincode"), "{notes}");
}

#[test]
fn every_other_end_is_told_and_is_no_success() {
    let told = |input, f: fn(&mut u64, u64, &Context<Number>) -> Result<u64, Failure>| {
        let (ending, output, notes) = again(saved(&message(), input), f);
        assert_eq!(output, "");
        (ending, notes.lines().last().unwrap().to_owned())
    };
    let bad = told(Payload::json("\"x\""), |_, n, _| Ok(n));
    assert!(bad.0 == Ending::Failed && bad.1.starts_with("procpool-worker: bad input: "), "{bad:?}");
    let failed = told(number(1), |_, _, _| Err(Failure::new("no").with_code("nope")));
    assert_eq!(failed, (Ending::Failed, "procpool-worker: the job failed (nope): no".into()));
    let broke = told(number(1), |_, _, _| Err(Failure::new("no").with_code("nope").as_broken()));
    assert_eq!(broke, (Ending::Failed, "procpool-worker: the job broke (nope): no".into()));
    let panicked = told(number(1), |_, n, _| panic!("cannot do {n}"));
    assert!(panicked.0 == Ending::Panicked && panicked.1.ends_with(": cannot do 1"), "{panicked:?}");
}

#[test]
fn state_that_cannot_be_made_is_told_and_the_function_never_runs() {
    let mut saved = saved(&message(), number(1));
    saved.worker_data = Payload::none();
    let (ending, _, notes) = again(saved, |_, _, _| unreachable!("there is no state"));
    assert_eq!(ending, Ending::Failed);
    assert!(notes.contains("failed to initialise: failed to read the worker data: there is none"), "{notes}");
}

#[test]
fn another_job_or_version_is_refused_by_name() {
    let refusal = |change: fn(&mut Recording)| {
        let mut saved = saved(&message(), number(1));
        change(&mut saved.recording);
        replay::check(sitting(vec![saved], false), &Identity::of_job::<Number>())
            .map_err(|error| error.to_string())
    };
    assert!(refusal(|_| {}).is_ok());
    assert_eq!(
        refusal(|it| it.contract = 4).unwrap_err(),
        "failed to run the saved job a.job again: it is of job `number`, contract version 4, and this worker of \
         `number`, version 5; it was saved from /opt/number"
    );
    assert!(refusal(|it| it.job = "letter".into()).unwrap_err().contains("it is of job `letter`"));
}

/// Returns a job before which its worker ran jobs with these numbers, and others.
fn after(numbers: &[u64]) -> SavedJob {
    let mut saved = saved(&message(), number(7));
    saved.recording.format = FORMAT_WITH_HISTORY;
    saved.recording.jobs_before = Some(34);
    saved.history = numbers.iter().map(|&n| job(1, &message(), number(n))).collect();
    saved
}

#[test]
fn jobs_of_before_are_run_first_and_nobody_is_given_their_outputs() {
    let (mut seen, f) = (Vec::new(), |n| if n == 2 { Err(Failure::new("no")) } else { Ok(n) });
    let (ending, output, notes) = again_all(sitting(vec![after(&[1, 2])], true), |_, n, _| {
        seen.push(n);
        f(n)
    });
    assert_eq!((ending, output.as_str(), &*seen), (Ending::Finished, "7\n", &[1, 2, 7][..]));
    assert!(notes.contains("running job 2 of 2 that its worker was given before\n"), "{notes}");
    assert!(
        notes.contains("the worker had been given 34 other jobs before this one, and this replay had 2"),
        "{notes}"
    );
    assert!(notes.contains("a larger `save_history` keeps more of them"), "{notes}");

    let (_, _, notes) = again(after(&[1, 2]), |_, n, _| Ok(n));
    assert!(notes.contains("this replay is alone") && notes.contains("`--history` runs the last"), "{notes}");
}

#[test]
fn a_panic_of_a_job_of_before_is_the_end() {
    let (ending, output, notes) = again_all(sitting(vec![after(&[1, 2])], true), |_, n, _| {
        assert_ne!(n, 1, "the first");
        Ok(n)
    });
    assert_eq!((ending, output.as_str()), (Ending::Panicked, ""));
    assert!(!notes.contains("running the job that went wrong"), "{notes}");
}

#[test]
fn a_replay_that_ends_well_says_that_the_worker_had_run_others() {
    let mut lonely = saved(&message(), number(7));
    lonely.recording.jobs_before = Some(0);
    let (_, _, notes) = again(lonely.clone(), |_, n, _| Ok(n));
    assert!(!notes.contains("other jobs"), "{notes}");
    lonely.recording.jobs_before = Some(1);
    for end in [Ok(7), Err(Failure::new("no"))] {
        let (_, _, notes) = again(lonely.clone(), |_, _, _| end.clone());
        let last = notes.lines().last().unwrap();
        assert!(last.contains("the worker had been given 1 other job before this one"), "{notes}");
        assert!(last.contains("where the pool has `save_history`"), "{notes}");
    }
}

#[test]
fn several_files_are_run_in_one_process_in_their_order() {
    let files = [1, 2, 3].map(|n| saved(&message(), number(n))).to_vec();
    let (ending, output, notes) = again_all(sitting(files, false), |sum, n, _| {
        *sum += n;
        if n == 2 { Err(Failure::new("no")) } else { Ok(*sum) }
    });
    assert_eq!((ending, output.as_str()), (Ending::Finished, "101\n106\n"));
    assert_eq!(notes.matches("running job abab").count(), 3, "{notes}");
}

#[test]
fn a_job_whose_memory_was_not_saved_is_refused() {
    let mut saved = saved(&message(), number(1));
    saved.job.payload.attachments = Attachments::absent(2);
    let error = replay::check(sitting(vec![saved], false), &Identity::of_job::<Number>()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed to run the saved job a.job again: it was given 2 shared regions, whose memory is not saved"
    );
}

#[test]
fn a_file_that_is_not_there_or_none_is_named() {
    let saved = |path: &str| SavedJobs { files: vec![path.into()], with_history: false };
    let error = |path: &str| match replay::read(&saved(path)) {
        Err(error @ ReplayError::Read { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(error("/no/such.job").starts_with("failed to read the saved job /no/such.job: No such file"));
    assert!(error("/dev/zero").ends_with("it is not a job that procpool has saved"));
}
