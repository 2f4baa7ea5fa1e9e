//! Seeded chance (SplitMix64), so that a run can be repeated as far as its own decisions go. What the machine does in between
//! (scheduling, the disk) cannot be repeated.

use std::ops::Range;
use std::time::Duration;

/// A die.
pub(crate) struct Dice(u64);

impl Dice {
    /// The die number `which` of a run.
    pub(crate) fn new(seed: u64, which: u64) -> Self {
        let mut dice = Self(seed ^ which.wrapping_mul(0xa076_1d64_78bd_642f));
        dice.next();
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in the range.
    pub(crate) fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    /// Whether it happens that happens once in `often` times.
    pub(crate) fn once_in(&mut self, often: u64) -> bool {
        self.within(0..often) == 0
    }

    /// So many milliseconds.
    pub(crate) fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.within(range))
    }
}
