//! The meaning of extras, and the values that are refused.

use procpool_protocol::extras::{ContentType, Extra, InvalidExtra, JobReport, of_done};
use std::time::Duration;

#[test]
fn a_content_type_is_two_tokens_and_nothing_else() {
    let longest = format!("a/{}", "x".repeat(ContentType::MAX_LEN - 2));
    for good in ["image/png", "application/vnd.api+json", "x/y", "!#$%&'*+-.^_`|~09/AZaz", &longest] {
        assert_eq!(ContentType::new(good).map(|it| it.to_string()), Ok(good.to_owned()));
    }
    let too_long = format!("{longest}x");
    for bad in [
        "",
        "image",
        "/png",
        "image/",
        "image/png/x",
        "image /png",
        "text/html; charset=utf-8",
        "text/html\r\nSet-Cookie: a=b",
        "text/h\u{e4}tml",
        "text/\"x\"",
        "text/\0",
        &too_long,
    ] {
        let error = ContentType::new(bad).expect_err(bad).to_string();
        assert!(error.contains("is no content type: `type/subtype` is needed"), "{error}");
        assert!(!error.contains('\r'), "{error}");
    }
}

#[test]
fn a_report_is_made_of_the_known_extras_and_passes_over_the_others() {
    let png = ContentType::new("image/png").expect("a content type");
    let unknown = Extra { tag: 0x7777, value: vec![0xff; 3] };
    let extras = [
        unknown,
        Extra::from(&png),
        Extra::number(of_done::CPU_TIME, 1_500),
        Extra::number(of_done::PEAK_MEMORY, 4096),
        Extra::number(of_done::CHUNKS_DROPPED, 7),
    ];
    let report = JobReport::of(&extras).expect("known values").expect("a report");
    assert_eq!(report.content_type, Some(png));
    assert_eq!(report.cpu_time, Some(Duration::from_nanos(1_500)));
    assert_eq!((report.peak_memory, report.chunks_dropped), (Some(4096), Some(7)));
    assert_eq!(JobReport::of(&[]), Ok(None));
}

#[test]
fn a_known_extra_with_a_bad_value_is_refused_by_name() {
    let refused =
        |tag, value: &[u8]| JobReport::of(&[Extra { tag, value: value.into() }]).expect_err("a bad value");
    for tag in [of_done::CPU_TIME, of_done::PEAK_MEMORY, of_done::CHUNKS_DROPPED] {
        for wrong in [7, 9] {
            let error = refused(tag, &vec![0; wrong]);
            let InvalidExtra::Number { tag: told, length, .. } = error else { panic!("{error}") };
            assert_eq!((told, length), (tag, wrong));
        }
    }
    for text in [&b"image\xff/png"[..], b"", b"text/html\n"] {
        assert!(matches!(refused(of_done::CONTENT_TYPE, text), InvalidExtra::ContentType(_)));
    }
}
