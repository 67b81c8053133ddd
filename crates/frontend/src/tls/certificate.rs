//! Reads the parts of an X.509 certificate that rustls does not tell: until when it is valid, and the names that it is made
//! out to. Does not: verify anything. rustls has verified a client's before this reads it.

/// A certificate's validity and names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Certificate<'a> {
    pub(super) not_after: Date,
    subject: &'a [u8],
    /// The elements after the subject.
    rest: &'a [u8],
}

/// A moment, to the second, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    year: u32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
}

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;
const UTF8: u8 = 0x0c;
const PRINTABLE: u8 = 0x13;
const IA5: u8 = 0x16;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// A DNS name among the alternative names.
const DNS: u8 = 0x82;

/// The object ids 2.5.4.3 and 2.5.29.17.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];

impl<'a> Certificate<'a> {
    /// Returns the certificate, or `None` if these bytes are not one.
    pub(super) fn of(der: &'a [u8]) -> Option<Self> {
        let (certificate, _) = take(der, SEQUENCE)?;
        let (body, _) = take(certificate, SEQUENCE)?;
        let body = take(body, VERSION).map_or(body, |(_, rest)| rest);
        let (_serial, body) = take(body, INTEGER)?;
        let (_algorithm, body) = take(body, SEQUENCE)?;
        let (_issuer, body) = take(body, SEQUENCE)?;
        let (validity, body) = take(body, SEQUENCE)?;
        let (_, _, not_after) = element(validity)?;
        let (tag, text, _) = element(not_after)?;
        let (subject, rest) = take(body, SEQUENCE)?;
        Some(Self { not_after: Date::of(tag, text)?, subject, rest })
    }

    /// Returns the names that the certificate is made out to: DNS names among the alternative ones, then the
    /// subject's common names.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names = self.alternative_names().unwrap_or_default();
        names.extend(self.common_names());
        names
    }

    fn alternative_names(&self) -> Option<Vec<String>> {
        let (_, _, extensions) =
            elements(self.rest).find(|(tag, ..)| *tag == EXTENSIONS).map(|(tag, list)| (tag, (), list))?;
        let (list, _) = take(extensions, SEQUENCE)?;
        let extension = elements(list).find_map(|(_, extension)| {
            let (id, value) = take(extension, OBJECT)?;
            (id == ALTERNATIVE_NAMES).then_some(value)
        })?;
        let (_, value) = elements(extension).find(|(tag, _)| *tag == OCTETS)?;
        let (names, _) = take(value, SEQUENCE)?;
        let dns = elements(names).filter(|(tag, _)| *tag == DNS);
        Some(dns.filter_map(|(_, name)| text(name)).collect())
    }

    fn common_names(&self) -> Vec<String> {
        let sets = elements(self.subject).filter(|(tag, _)| *tag == SET);
        let attributes = sets.flat_map(|(_, set)| elements(set));
        let names = attributes.filter_map(|(_, attribute)| {
            let (id, value) = take(attribute, OBJECT)?;
            let (tag, name, _) = element(value)?;
            (id == COMMON_NAME && [UTF8, PRINTABLE, IA5].contains(&tag)).then(|| text(name))?
        });
        names.collect()
    }
}

impl Date {
    fn of(tag: u8, text: &[u8]) -> Option<Self> {
        let digits = text.strip_suffix(b"Z")?;
        let digits = digits.iter().map(|digit| digit.is_ascii_digit().then(|| u32::from(digit - b'0')));
        let digits = digits.collect::<Option<Vec<_>>>()?;
        let number = |digits: &[u32]| digits.iter().fold(0, |number, digit| 10 * number + digit);
        let (year, rest) = match (tag, digits.len()) {
            (UTC_TIME, 12) => match number(&digits[..2]) {
                year @ 50.. => (1900 + year, &digits[2..]),
                year => (2000 + year, &digits[2..]),
            },
            (GENERALIZED_TIME, 14) => (number(&digits[..4]), &digits[4..]),
            _ => return None,
        };
        let part = |index: usize| number(&rest[2 * index..2 * index + 2]);
        Some(Self { year, month: part(0), day: part(1), hour: part(2), minute: part(3), second: part(4) })
    }

    /// Returns the seconds since the beginning of 1970, or 0 for an earlier moment.
    pub(super) fn unix_seconds(self) -> u64 {
        let Self { year, month, day, hour, minute, second } = self;
        // Days since 1 March of the year 0, as months then are counted without leap days between.
        let (year, month) = if month > 2 { (year, month - 3) } else { (year.saturating_sub(1), month + 9) };
        let days =
            365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day.saturating_sub(1);
        let seconds = u64::from(days) * 86_400 + u64::from(hour * 3600 + minute * 60 + second);
        seconds.saturating_sub(719_468 * 86_400)
    }
}

impl std::fmt::Display for Date {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { year, month, day, hour, minute, second } = self;
        write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

/// Returns the tag and the content of each element, up to the first that is none.
fn elements(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (tag, content, rest) = element(bytes)?;
        bytes = rest;
        Some((tag, content))
    })
}

/// Returns the content of the first element, which has this tag, and what follows it.
fn take(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    element(bytes).filter(|(found, ..)| *found == tag).map(|(_, content, rest)| (content, rest))
}

/// Returns the tag and the content of the first element, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, bytes) = bytes.split_first()?;
    let (&first, bytes) = bytes.split_first()?;
    let (length, bytes) = match first {
        0..=0x7f => (usize::from(first), bytes),
        0x81..=0x84 => {
            let (length, rest) = bytes.split_at_checked(usize::from(first - 0x80))?;
            (length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = bytes.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_in_both_forms_and_counts_seconds() {
        for (tag, text, shown, seconds) in [
            (UTC_TIME, "700101000000Z", "1970-01-01T00:00:00Z", 0),
            (UTC_TIME, "000229235959Z", "2000-02-29T23:59:59Z", 951_868_799),
            (UTC_TIME, "491231235959Z", "2049-12-31T23:59:59Z", 2_524_607_999),
            (GENERALIZED_TIME, "20500101000000Z", "2050-01-01T00:00:00Z", 2_524_608_000),
            (GENERALIZED_TIME, "99991231235959Z", "9999-12-31T23:59:59Z", 253_402_300_799),
            (UTC_TIME, "500101000000Z", "1950-01-01T00:00:00Z", 0),
        ] {
            let date = Date::of(tag, text.as_bytes()).unwrap();
            assert_eq!((date.to_string().as_str(), date.unix_seconds()), (shown, seconds), "{text}");
        }
        for text in ["", "Z", "7001010000Z", "700101000000", "70010100000xZ", "20500101000000Z"] {
            assert_eq!(Date::of(UTC_TIME, text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_is_cut_or_changed_anywhere_is_read_without_a_panic() {
        let mut parameters =
            rcgen::CertificateParams::new(vec!["alice.example".into(), "192.0.2.7".into()]).unwrap();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "alice");
        parameters.not_after = rcgen::date_time_ymd(2031, 2, 3);
        let made = parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let der = made.der().to_vec();
        let certificate = Certificate::of(&der).unwrap();
        assert_eq!(certificate.not_after.to_string(), "2031-02-03T00:00:00Z");
        assert_eq!(certificate.names(), ["alice.example", "alice"]);
        for at in 0..der.len() {
            let _ = Certificate::of(&der[..at]).map(|it| it.names());
            for value in [0, 0x7f, 0x80, 0x84, 0xff] {
                let mut changed = der.clone();
                changed[at] = value;
                let _ = Certificate::of(&changed).map(|it| (it.names(), it.not_after.unix_seconds()));
            }
        }
    }
}
