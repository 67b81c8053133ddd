//! [`Writer`] and [`Reader`]: numbers of variable length, and texts and bytes behind their length.

use std::time::Duration;

/// The bytes are not what the store writes: somebody else has changed them, or a later version wrote them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreadable(pub(crate) &'static str);

/// Collects bytes.
#[derive(Debug, Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(crate) fn flag(&mut self, flag: bool) {
        self.byte(u8::from(flag));
    }

    /// Writes seven bits a byte, the lowest first.
    pub(crate) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.byte(number.to_le_bytes()[0]);
    }

    pub(crate) fn fixed(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.fixed(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(crate) fn duration(&mut self, duration: Duration) {
        self.number(duration.as_secs());
        self.number(u64::from(duration.subsec_nanos()));
    }

    /// Writes whether there is a value, and the value.
    pub(crate) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }
}

/// Takes bytes from the front.
#[derive(Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Returns a reader behind the version, which must be this one.
    pub(crate) fn new(bytes: &'a [u8], version: u8) -> Result<Self, Unreadable> {
        let mut reader = Self(bytes);
        match reader.byte()? {
            found if found == version => Ok(reader),
            _ => Err(Unreadable("it has a version that this program does not know")),
        }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Unreadable> {
        let (&first, rest) = self.0.split_first().ok_or(END)?;
        self.0 = rest;
        Ok(first)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Unreadable> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Unreadable("a flag is neither 0 nor 1")),
        }
    }

    pub(crate) fn number(&mut self) -> Result<u64, Unreadable> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Unreadable("a number has more than 64 bits"))
    }

    pub(crate) fn small(&mut self) -> Result<u32, Unreadable> {
        u32::try_from(self.number()?).map_err(|_| Unreadable("a number has more than 32 bits"))
    }

    pub(crate) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let (first, rest) = self.0.split_first_chunk::<N>().ok_or(END)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Unreadable> {
        let length = usize::try_from(self.number()?).map_err(|_| END)?;
        let (first, rest) = self.0.split_at_checked(length).ok_or(END)?;
        self.0 = rest;
        Ok(first)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Unreadable> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Unreadable("a text is not UTF-8"))
    }

    pub(crate) fn duration(&mut self) -> Result<Duration, Unreadable> {
        let (seconds, nanos) = (self.number()?, self.small()?);
        if nanos >= 1_000_000_000 {
            return Err(Unreadable("a second has more than 10^9 nanoseconds"));
        }
        Ok(Duration::new(seconds, nanos))
    }

    pub(crate) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Unreadable>,
    ) -> Result<Option<T>, Unreadable> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    /// Checks that nothing is left.
    pub(crate) fn end(&self) -> Result<(), Unreadable> {
        if self.0.is_empty() { Ok(()) } else { Err(Unreadable("it is longer than its content")) }
    }
}

const END: Unreadable = Unreadable("it ends before its content");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_return() {
        for shift in 0..64 {
            for number in [1_u64 << shift, (1 << shift) - 1, u64::MAX >> shift] {
                let mut writer = Writer::default();
                writer.byte(1);
                writer.number(number);
                let mut reader = Reader::new(&writer.0, 1).expect("the version");
                assert_eq!(reader.number(), Ok(number));
                assert_eq!(reader.end(), Ok(()));
            }
        }
    }

    #[test]
    fn a_cut_text_and_a_later_version_are_errors() {
        let mut writer = Writer::default();
        writer.byte(1);
        writer.text("abc");
        let cut = &writer.0[..4];
        assert_eq!(Reader::new(cut, 1).and_then(|mut it| it.text().map(drop)), Err(END));
        assert!(Reader::new(&writer.0, 2).is_err());
    }
}
