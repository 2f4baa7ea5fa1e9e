//! Quiet hours: when a tenant's users are not to be texted unless they have texted first. Times of day on a wall clock whose offset
//! changes are given as a table, so that the core needs no time zones.
//!
//! A moment is quiet when the wall clock then shows a time within the hours. Nothing else is decided here: an hour that a change
//! skips is skipped, one that it repeats is repeated.

use std::time::Duration;

use crate::time::UnixMillis;

const DAY_MS: i64 = 24 * 3_600 * 1_000;
const MINUTE_MS: i64 = 60 * 1_000;

/// From when on a wall clock is how far from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset {
    /// From then on, until the next one.
    pub from: UnixMillis,
    /// Seconds to add to UTC.
    pub seconds: i32,
}

/// The hours of one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuietHours {
    /// The first minute of the day that is quiet.
    pub from: u16,
    /// The first minute of the day that is not quiet any more; before `from` where midnight lies between. None is quiet where both are
    /// the same.
    pub to: u16,
    /// The wall clock's offsets, earliest first. The first holds before its time as well, the last for ever; UTC where there is none.
    pub offsets: Vec<Offset>,
}

impl QuietHours {
    /// When it stops being quiet; `None` where it is not.
    #[must_use]
    pub fn until(&self, now: UnixMillis) -> Option<UnixMillis> {
        self.is_quiet(now).then(|| self.change(now))
    }

    /// When `span` has passed of which nothing was quiet.
    #[must_use]
    pub fn after(&self, from: UnixMillis, span: Duration) -> UnixMillis {
        let (mut at, mut left) = (from, span);
        if self.from == self.to {
            return at.plus(left);
        }
        loop {
            at = self.until(at).unwrap_or(at);
            let quiet_from = self.change(at);
            let loud = quiet_from.since(at);
            if left <= loud {
                return at.plus(left);
            }
            // At the end of time nothing moves on.
            if quiet_from <= at {
                return at;
            }
            (at, left) = (quiet_from, left.saturating_sub(loud));
        }
    }

    /// As long as `span` of which nothing is quiet may take at most.
    #[must_use]
    pub fn longest(&self, span: Duration) -> Duration {
        let quiet = (i64::from(self.to) - i64::from(self.from)).rem_euclid(DAY_MS / MINUTE_MS);
        let loud = Duration::from_millis(u64::try_from(DAY_MS - quiet * MINUTE_MS).unwrap_or_default());
        let days = span.as_millis() / loud.as_millis().max(1) + 2;
        Duration::from_millis(DAY_MS.unsigned_abs()).saturating_mul(u32::try_from(days).unwrap_or(u32::MAX))
    }

    fn is_quiet(&self, at: UnixMillis) -> bool {
        let minute = time_of_day(at, self.offset(at)) / MINUTE_MS;
        let (from, to) = (i64::from(self.from), i64::from(self.to));
        if from <= to { (from..to).contains(&minute) } else { minute >= from || minute < to }
    }

    /// When it next becomes quiet, or stops being so.
    fn change(&self, now: UnixMillis) -> UnixMillis {
        let is_quiet = self.is_quiet(now);
        let goal = i64::from(if is_quiet { self.to } else { self.from }) * MINUTE_MS;
        let mut at = now;
        loop {
            let wait = (goal - time_of_day(at, self.offset(at))).rem_euclid(DAY_MS);
            let reached = at.plus(Duration::from_millis(u64::try_from(wait).unwrap_or_default()));
            match self.offsets.iter().find(|offset| offset.from > at && offset.from <= reached) {
                Some(offset) if self.is_quiet(offset.from) != is_quiet => return offset.from,
                Some(offset) => at = offset.from,
                None => return reached,
            }
        }
    }

    fn offset(&self, at: UnixMillis) -> i32 {
        let next = self.offsets.partition_point(|offset| offset.from <= at);
        self.offsets.get(next.saturating_sub(1)).map_or(0, |offset| offset.seconds)
    }
}

/// In milliseconds since midnight.
fn time_of_day(at: UnixMillis, offset: i32) -> i64 {
    let utc = i64::try_from(at.0 % u64::try_from(DAY_MS).unwrap_or(1)).unwrap_or_default();
    (utc + i64::from(offset) * 1_000).rem_euclid(DAY_MS)
}

#[cfg(test)]
#[path = "quiet_tests.rs"]
mod tests;
