//! Foreign text in a log or on a terminal.

use procpool_protocol::printable::{Escaping, is_unprintable, printable, printable_json, printable_lines};
use std::borrow::Cow;
use std::fmt::Write;

#[test]
fn what_ends_a_line_turns_text_or_has_no_width_is_escaped() {
    for (text, shown) in [
        ("a\nb\rc", r"a\nb\rc"),
        ("\u{1b}[2J\u{7}\u{7f}\u{9b}", r"\u{1b}[2J\u{7}\u{7f}\u{9b}"),
        ("\u{b}\u{c}\u{85}\u{2028}\u{2029}", r"\u{b}\u{c}\u{85}\u{2028}\u{2029}"),
        ("\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}", r"\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}"),
        ("\u{2066}\u{2067}\u{2068}\u{2069}", r"\u{2066}\u{2067}\u{2068}\u{2069}"),
        ("\u{200e}\u{200f}\u{61c}", r"\u{200e}\u{200f}\u{61c}"),
        ("\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}\u{ad}", r"\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}\u{ad}"),
        ("\u{3164}\u{e0041}\u{e007f}", r"\u{3164}\u{e0041}\u{e007f}"),
    ] {
        assert_eq!(printable(text), shown);
        assert!(!printable(text).chars().any(is_unprintable));
    }
}

#[test]
fn what_shows_as_itself_stays() {
    let text =
        "tab\tstraße, \u{645}\u{631}\u{62d}\u{628}\u{627}, हिन्दी, 東京, e\u{301}, \u{2764}\u{fe0f}, \\ \"";
    assert!(matches!(printable(text), Cow::Borrowed(same) if same == text));
    assert_eq!(printable_lines("one\r\n\ttwo\u{202e}\n"), "one\\r\n\ttwo\\u{202e}\n");
}

#[test]
fn every_character_is_either_passed_on_or_written_in_ascii_however_it_is_cut() {
    for c in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
        let shown = printable(c.encode_utf8(&mut [0; 4])).into_owned();
        assert!(shown == c.to_string() || shown.bytes().all(|byte| byte.is_ascii_graphic()), "{c:?}");
        assert_eq!(shown == c.to_string(), c == '\t' || !is_unprintable(c), "{c:?}");
    }
    let mut pieces = String::new();
    let mut out = Escaping(&mut pieces);
    let (text, c) = ("a\u{202e}", '\u{1b}');
    write!(out, "{text}{c}{:?}", "\n").expect("a String takes everything");
    assert_eq!(pieces, r#"a\u{202e}\u{1b}"\n""#);
}

#[test]
fn json_means_the_same_when_nothing_in_it_turns_text_or_drives_a_terminal() {
    for c in (0..=u32::from(char::MAX)).filter_map(char::from_u32).filter(|&c| is_unprintable(c)) {
        let json = serde_json::to_string(&format!("a{c}\"b")).unwrap();
        let shown = printable_json(&json);
        assert!(!shown.contains(is_unprintable), "{c:?}: {shown}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), format!("a{c}\"b"));
    }
    let plain = "{\n\t\"straße\": \"東京\"\n}";
    assert!(matches!(printable_json(plain), Cow::Borrowed(same) if same == plain));
    assert_eq!(printable_json("[1,\r\n2]\u{1b}"), "[1, \n2]\\u001b");
}
