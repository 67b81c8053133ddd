//! Log records: how they are cut, and which are refused.

use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::limits::MAX_TEXT;
use procpool_protocol::log::{LogLevel, LogRecord};

fn sent(message: String, target: Option<String>) -> LogRecord {
    let frame = LogRecord { level: LogLevel::Info, message, target }.into_frame(7).expect("a frame");
    assert_eq!((frame.kind, frame.sequence), (Kind::Log, 7));
    assert!(frame.to_bytes()[10] & 1 == 1, "it is ignorable");
    LogRecord::from_frame(&frame).expect("a record")
}

#[test]
fn the_longest_line_is_cut_to_the_limit_of_texts() {
    let record = sent("\u{20ac}".repeat(MAX_TEXT), Some("x".repeat(MAX_TEXT + 1)));
    assert_eq!((record.message.len(), record.target.map(|it| it.len())), (MAX_TEXT / 3 * 3, Some(MAX_TEXT)));
}

#[test]
fn a_line_that_json_makes_six_times_as_long_still_fits_a_header() {
    let record = sent("\0".repeat(MAX_TEXT), Some("\x01".repeat(MAX_TEXT)));
    assert!(record.message.len() >= 4096 && record.target.is_some_and(|target| target.len() >= 4096));
}

#[test]
fn a_longer_line_than_a_worker_may_send_is_cut_on_the_other_side() {
    let text = format!(r#"{{"level":"error","message":"{}"}}"#, "x".repeat(MAX_TEXT + 100));
    let record = LogRecord::from_frame(&Frame::new(Kind::Log, 0, text)).expect("a record");
    assert_eq!(record.message.len(), MAX_TEXT);
}

#[test]
fn each_level_has_its_word_and_no_other_word_is_one() {
    use LogLevel::{Debug, Error, Info, Trace, Warn};
    let read = |level: &str| {
        let text = format!(r#"{{"level":"{level}","message":"","colour":"blue"}}"#);
        LogRecord::from_frame(&Frame::new(Kind::Log, 0, text)).map(|record| record.level)
    };
    for level in [Error, Warn, Info, Debug, Trace] {
        assert_eq!(read(level.name()).expect("a level"), level);
    }
    for level in ["warning", "WARN", "critical", ""] {
        assert!(read(level).is_err(), "{level}");
    }
}
