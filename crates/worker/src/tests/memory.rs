//! Memory that arrives as descriptors: arenas over the control connection, shared regions with a job.

use super::*;
use procpool_memory::SharedRegion;
use procpool_memory::arena::BornArenas;
use procpool_memory::input::InputWriter;
use procpool_memory::output::OutputReader;
use procpool_memory::passing;
use procpool_protocol::arena::{Direction, MIN_SHARED, Place, Share, Shared};
use procpool_protocol::attachments::{Attachment, Attachments};
use procpool_protocol::extras::{Extra, of_done, of_job, with_rest};
use procpool_protocol::message::Status;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

const LENGTH: usize = 1 << 20;

/// Adds to a shared number.
struct Adder;

impl Job for Adder {
    const NAME: &'static str = "adder";
    type Input = SharedRegion<AtomicU32>;
    type Output = usize;
}

impl Wire {
    /// Sends a frame, and these descriptors with its first byte.
    fn send_with(&self, frame: &Frame, descriptors: &[BorrowedFd<'_>]) {
        let bytes = frame.to_bytes();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(descriptors)));
        let sent = sendmsg(&self.stream, &[IoSlice::new(&bytes)], &mut control, SendFlags::empty()).unwrap();
        assert_eq!(sent, bytes.len());
    }
}

impl Double {
    /// Offers an arena. Returns whether the worker accepts it.
    fn share(&mut self, number: u64, share: &Share, memory: Option<BorrowedFd<'_>>) -> bool {
        let mut frame = json_frame(Kind::Share, share).unwrap();
        frame.sequence = number;
        match memory {
            Some(memory) => {
                frame.payload.attachments = Attachments::absent(1);
                self.control.send_with(&frame, &[memory]);
            }
            None => self.control.send(&frame),
        }
        let answer = self.control.hear(Kind::Shared);
        assert_eq!(answer.sequence, number);
        json_of::<Shared>(&answer).unwrap().accepted
    }
}

fn an_arena(direction: Direction) -> Share {
    Share { direction, length: Some(LENGTH as u64), born: false }
}

/// Returns a job whose input refers to a region, and the descriptors to send with it.
fn adding(sequence: u64, region: &SharedRegion<AtomicU32>) -> (Frame, Vec<passing::Descriptor>) {
    let (mut payload, descriptors) = passing::collect(|| Payload::encode(region, Encoding::Bincode).unwrap());
    payload.attachments =
        descriptors.iter().cloned().map(Attachment::from).collect::<Vec<_>>().try_into().unwrap();
    (job(sequence, &message(), payload), descriptors)
}

/// Returns a worker of regions that adds one to each cell, and returns the region's length.
fn adder() -> Double {
    Double::with::<Adder>(Mode::Jobs, |region, _| {
        region[0].fetch_add(1, Relaxed);
        Ok(region.len())
    })
}

/// Returns a worker of `J` with an arena in each direction, 1 and 2.
fn with_arenas<J: Job>(
    mut f: impl FnMut(J::Input, &Context<J>) -> Result<J::Output, Failure> + Send + 'static,
) -> (Double, InputWriter, OutputReader) {
    let welcome = Welcome { max_payload: 1 << 20, ..welcome(Mode::Jobs) };
    let work = move |session| {
        entry::answer::<J, ()>(session, Introduction::Ahead, |_| Ok(()), move |(), input, cx| f(input, cx))
    };
    let mut double = Double::hire(Identity::of_job::<J>(), &welcome, Payload::none(), work);
    double.jobs.hear(Kind::Ready);
    let input = InputWriter::create("test", LENGTH).unwrap();
    let output = OutputReader::create("test", LENGTH).unwrap();
    assert!(double.share(1, &an_arena(Direction::Input), Some(input.as_fd())));
    assert!(double.share(2, &an_arena(Direction::Output), Some(output.as_fd())));
    (double, input, output)
}

#[test]
fn an_arena_that_came_with_its_offer_holds_inputs_and_outputs() {
    let (mut double, input, output) = with_arenas::<Raw>(|input, _| Ok(input));
    assert!(input.write(&[7; MIN_SHARED]));
    let place = Place { arena: 1, offset: 0, length: MIN_SHARED as u64 };
    double.jobs.send(&job(1, &message(), Payload::raw("")).referring_to(place));
    let done = double.jobs.hear(Kind::Done);
    assert_eq!(Done::from_frame(&done).unwrap().status, Status::Ok);
    let place = Place { arena: 2, ..place };
    assert_eq!((done.place, done.payload.bytes.len()), (Some(place), 0));
    let mut found = [0; MIN_SHARED];
    output.read(0, &mut found).unwrap();
    assert_eq!(found, [7; MIN_SHARED]);
}

/// A job for raw bytes with a number beside them.
pub(super) struct Marked;

impl Job for Marked {
    const NAME: &'static str = "marked";
    type Input = (u64, Bytes);
    type Output = (u64, Bytes);
}

#[test]
fn bytes_beside_parameters_lie_in_the_arenas_as_bytes_alone_do() {
    let (tell, places) = mpsc::channel();
    let (mut double, input, output) = with_arenas::<Marked>(move |(mark, bytes), cx| {
        let mut buffer = cx.buffer(bytes.len());
        buffer.copy_from_slice(&bytes);
        tell.send((bytes.as_ptr() as usize, buffer.as_ptr() as usize)).unwrap();
        Ok((mark + 1, buffer.into()))
    });
    let value = (41_u64, Bytes::from(vec![7; MIN_SHARED]));
    let payload = Payload::encode_apart(&value, Encoding::Bincode).unwrap();
    let extras = vec![Extra::rest(of_job::REST, &payload).expect("a rest")];
    let message = message::Job { extras, reply: Encoding::Bincode.into(), ..message() };
    assert!(input.write(&payload.bytes));
    let place = Place { arena: 1, offset: 0, length: MIN_SHARED as u64 };
    for sequence in [1, 2] {
        let frame = job(sequence, &message, Payload::new(Encoding::Bincode, "")).referring_to(place);
        double.jobs.send(&Frame { taken: sequence > 1, ..frame });
        let frame = double.jobs.hear(Kind::Done);
        assert_eq!((frame.sequence, frame.place), (sequence, Some(Place { arena: 2, ..place })));
        let done = Done::from_frame(&frame).unwrap();
        assert_eq!(done.status, Status::Ok);
        let mut found = vec![0; MIN_SHARED];
        output.read(0, &mut found).unwrap();
        let found = with_rest(Payload::new(Encoding::Bincode, found), done.extras, of_done::REST);
        assert_eq!(found.decode::<(u64, Bytes)>().unwrap(), (42, value.1.clone()));
    }
    // Both jobs use the same mappings.
    assert_eq!(places.recv().unwrap(), places.recv().unwrap());
}

#[test]
fn only_a_dirty_buffer_shows_what_an_earlier_job_has_left() {
    let (mut double, _input, output) = with_arenas::<Raw>(|input, cx| {
        Ok(match &*input {
            b"write" => {
                let mut buffer = cx.dirty_buffer(MIN_SHARED);
                buffer.fill(7);
                buffer.into()
            }
            b"dirty" => cx.dirty_buffer(MIN_SHARED).into(),
            _ => cx.buffer(MIN_SHARED).into(),
        })
    });
    for (sequence, input, expected) in [(1, "write", 7), (2, "dirty", 7), (3, "clean", 0)] {
        let frame = job(sequence, &message(), Payload::raw(input));
        double.jobs.send(&Frame { taken: sequence > 1, ..frame });
        assert!(double.jobs.hear(Kind::Done).place.is_some_and(|place| place.offset == 0), "{input}");
        let mut found = [1; MIN_SHARED];
        output.read(0, &mut found).unwrap();
        assert_eq!(found, [expected; MIN_SHARED], "{input}");
    }
}

#[test]
fn an_offer_without_usable_memory_is_declined() {
    let mut double = Double::with::<Raw>(Mode::Jobs, |input, _| Ok(input));
    let output = OutputReader::create("test", LENGTH).unwrap();
    let null = std::fs::File::open("/dev/null").unwrap();
    assert!(!double.share(1, &an_arena(Direction::Output), None), "no descriptor came");
    assert!(!double.share(2, &an_arena(Direction::Output), Some(null.as_fd())), "it is no memory");
    assert!(!double.share(3, &an_arena(Direction::Input), Some(output.as_fd())), "others may write to it");
    let longer = Share { length: Some(2 * LENGTH as u64), ..an_arena(Direction::Output) };
    assert!(!double.share(4, &longer, Some(output.as_fd())), "it is shorter than announced");
    assert!(double.share(5, &an_arena(Direction::Output), Some(output.as_fd())));
    let taken_back = Share { length: None, ..an_arena(Direction::Output) };
    assert!(double.share(5, &taken_back, None), "that it has heard of it, too, is told");
}

#[test]
fn a_worker_that_receives_arenas_uses_none_that_it_was_born_with() {
    let mut double = Double::with::<Raw>(Mode::Jobs, |input, _| Ok(input));
    let _born = BornArenas::create("test").unwrap();
    assert!(!double.share(1, &Share { born: true, ..an_arena(Direction::Input) }, None));
}

#[test]
fn a_job_s_regions_are_found_by_what_came_with_it() {
    let mut double = adder();
    let regions = [10, 20, 30].map(|cells| SharedRegion::<AtomicU32>::new(cells).unwrap());
    for (sequence, region) in (1..).zip(&regions) {
        let (frame, descriptors) = adding(sequence, region);
        // The worker's thread shares this process's regions; a worker process would not have the region.
        let frame = elsewhere(frame);
        let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        double.jobs.send_with(&frame, &descriptors);
    }
    for (sequence, region) in (1..).zip(&regions) {
        let (done, output) = double.done(sequence);
        assert_eq!((done.status, output.decode::<usize>().unwrap()), (Status::Ok, region.len()));
        assert_eq!(region[0].load(Relaxed), 1);
    }
}

#[test]
fn descriptors_that_did_not_come_are_bad_input_and_the_worker_goes_on() {
    let mut double = adder();
    let region = SharedRegion::<AtomicU32>::new(10).unwrap();
    let (frame, descriptors) = adding(1, &region);
    let frame = elsewhere(frame);
    double.jobs.send(&frame);
    match double.done(1).0.status {
        Status::BadInput { message } => {
            assert!(message.contains("its descriptor did not come along"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
    double.jobs.send_with(&Frame { sequence: 2, ..frame }, &descriptors);
    assert_eq!(double.done(2).0.status, Status::Ok);
}

#[test]
fn text_names_no_memory() {
    let mut double = adder();
    let region = SharedRegion::<AtomicU32>::new(10).unwrap();
    let known = serde_json::to_string(&region).unwrap();
    drop(region);
    for text in [&known, &known.replace("null", "0"), &known.replace("null", "255"), "{}", "[]", "7"] {
        let (done, _) = double.run(1, Payload::json(text.to_owned()));
        assert!(matches!(done.status, Status::BadInput { .. }), "{text}: {done:?}");
        double = adder();
    }
}

/// Returns the same job with another region id, as a process without the region would see it.
fn elsewhere(mut frame: Frame) -> Frame {
    let mut bytes = frame.payload.bytes.to_vec();
    // The length of the id comes first, then its digits.
    for digit in &mut bytes[1..33] {
        *digit = if *digit == b'0' { b'1' } else { b'0' };
    }
    frame.payload.bytes = bytes.into();
    frame
}
