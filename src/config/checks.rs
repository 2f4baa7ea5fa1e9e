//! Checks of values that have the right type: ranges, and what several keys must make of each other.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::message;
use super::source::Found;
use super::tree::Node;

/// Collects what is wrong with one section.
pub(super) struct Checks<'a> {
    node: &'a Node,
    found: Vec<Found>,
}

impl<'a> Checks<'a> {
    /// Checks of this section.
    pub(super) fn of(node: &'a Node) -> Self {
        Self { node, found: Vec::new() }
    }

    /// A duration, given with its dotted key.
    pub(super) fn duration(&mut self, key: &str, value: Duration, range: RangeInclusive<Duration>) {
        if !range.contains(&value) {
            let [low, high, is] = [*range.start(), *range.end(), value].map(message::duration);
            self.fail(key, format!("`{key}` is {is}: make it at least {low} and at most {high}"));
        }
    }

    /// A number, given with its dotted key.
    pub(super) fn number<N: Copy + PartialOrd + Display>(&mut self, key: &str, value: N, range: RangeInclusive<N>) {
        if !range.contains(&value) {
            let (low, high) = (range.start(), range.end());
            self.fail(key, format!("`{key}` is {value}: make it at least {low} and at most {high}"));
        }
    }

    /// A text, given with its key, as it counts in a message: in UTF-16 code units.
    pub(super) fn length(&mut self, key: &str, text: &str, max: usize) {
        let length = text.encode_utf16().count();
        if length > max {
            self.fail(key, format!("`{key}` has {length} characters: shorten it to at most {max}"));
        }
    }

    /// Notes that a pair of durations is the wrong way round, at whichever of the two is written.
    pub(super) fn ordered(&mut self, (low_key, low): (&str, Duration), (high_key, high): (&str, Duration)) {
        if low > high {
            let written = if self.is_set(low_key) { low_key } else { high_key };
            let (low, high) = (message::duration(low), message::duration(high));
            let message = format!("`{low_key}` ({low}) is more than `{high_key}` ({high}): make it at most that");
            self.fail(written, message);
        }
    }

    fn is_set(&self, key: &str) -> bool {
        let path: Vec<&str> = key.split('.').collect();
        self.node.find(&path).is_some()
    }

    /// Notes what is wrong with the value of a key.
    pub(super) fn fail(&mut self, key: &str, message: impl Into<String>) {
        let path: Vec<&str> = key.split('.').collect();
        self.found.push(Found { at: self.node.value_at(&path), message: message.into() });
    }

    /// All that was found.
    pub(super) fn finish(self) -> Vec<Found> {
        self.found
    }
}

/// So many milliseconds.
pub(super) const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// So many seconds.
pub(super) const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// So many days.
pub(super) const fn days(count: u64) -> Duration {
    Duration::from_secs(count * 86_400)
}
