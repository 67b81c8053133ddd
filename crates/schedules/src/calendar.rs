//! [`Calendar`]: a cron line in a time zone. The rules of cron and of time zones are those of two libraries.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::wall::Wall;

/// Maximum length of a cron line, in bytes.
const LONGEST: usize = 256;

/// The times of a cron line in a time zone.
///
/// A line has five fields, or six if it begins with seconds: minute, hour, day of the month, month, day of the week.
/// `@hourly`, `@daily`, `@weekly`, `@monthly` and `@yearly` are lines, too. A run whose time does not exist, because
/// the clocks go forward, is at the first time after the gap. A run at a fixed hour whose time exists twice is at the
/// first of them. A line that repeats within the hour runs in both hours.
#[derive(Clone, Debug)]
pub struct Calendar {
    cron: Cron,
    zone: TimeZone,
}

/// Why a line is no calendar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CalendarError {
    /// The line cannot be read.
    #[error(
        "{line:?} is no cron line: {reason}; write five fields, minute hour day month weekday, \
         such as \"30 2 * * MON-FRI\""
    )]
    #[non_exhaustive]
    NoLine {
        /// The line, cut to 256 bytes.
        line: String,
        /// The reason.
        reason: String,
    },
    /// The line can be read, and no date fits it.
    #[error("{line:?} never fires: no date fits its fields")]
    #[non_exhaustive]
    Never {
        /// The line.
        line: String,
    },
    /// There is no such time zone.
    #[error(
        "there is no time zone {zone:?}; write one of the IANA names, such as \"Europe/Berlin\" or \"UTC\""
    )]
    #[non_exhaustive]
    NoZone {
        /// The name, cut to 256 bytes.
        zone: String,
    },
}

impl Calendar {
    /// Reads a line. `now` is the time from which on the line has to fire at least once.
    ///
    /// # Errors
    /// When the line or the zone cannot be read, or the line never fires.
    pub fn parse(line: &str, zone: &str, now: Wall) -> Result<Self, CalendarError> {
        let no_line = |reason: String| CalendarError::NoLine { line: cut(line), reason };
        if line.len() > LONGEST {
            return Err(no_line(format!("it has {} bytes, and the limit is {LONGEST}", line.len())));
        }
        let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let cron = parser.parse(line).map_err(|error| no_line(reason(&error.to_string())))?;
        let zone = zone_named(zone).ok_or_else(|| CalendarError::NoZone { zone: cut(zone) })?;
        let calendar = Self { cron, zone };
        match calendar.after(now) {
            Some(_) => Ok(calendar),
            None => Err(CalendarError::Never { line: cut(line) }),
        }
    }

    /// Returns the first time after `wall`, if there is one within the calendar of the library.
    #[must_use]
    pub fn after(&self, wall: Wall) -> Option<Wall> {
        let next = self.cron.find_next_occurrence(&self.zoned(wall)?, false).ok()?;
        Some(to_wall(&next)).filter(|next| *next > wall)
    }

    /// Returns the last time at `wall` or before.
    #[must_use]
    pub fn until(&self, wall: Wall) -> Option<Wall> {
        let last = self.cron.find_previous_occurrence(&self.zoned(wall)?, true).ok()?;
        Some(to_wall(&last)).filter(|last| *last <= wall)
    }

    fn zoned(&self, wall: Wall) -> Option<Zoned> {
        Some(Timestamp::from_second(wall.as_secs()).ok()?.to_zoned(self.zone.clone()))
    }
}

/// Returns the zone of an IANA name. A name of the system's own, such as `localtime` or a path, is none.
fn zone_named(name: &str) -> Option<TimeZone> {
    let is_name = !name.is_empty()
        && name.len() <= LONGEST
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte))
        && !name.starts_with('/');
    if is_name { TimeZone::get(name).ok() } else { None }
}

fn to_wall(zoned: &Zoned) -> Wall {
    Wall::from_secs(zoned.timestamp().as_second())
}

/// Returns the library's words as the middle of a sentence.
fn reason(text: &str) -> String {
    let text = text.trim_end_matches('.');
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

fn cut(text: &str) -> String {
    text.char_indices().take_while(|(at, _)| *at < LONGEST).map(|(_, char)| char).collect()
}
