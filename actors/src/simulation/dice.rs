//! Dice with a seed: the same seed gives the same throws for ever, on every machine. xoshiro256**, filled by splitmix64.

use std::ops::Range;
use std::time::Duration;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Dice {
    seed: u64,
    state: [u64; 4],
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        let mut filler = seed;
        Self { seed, state: std::array::from_fn(|_| splitmix(&mut filler)) }
    }

    /// Other dice of the same seed. What is drawn with them changes nothing that these draw: so a seed keeps its world when there is
    /// something new to be drawn, as long as it does not draw that.
    pub(super) fn beside(&self, what: &str) -> Self {
        let mut seed = self.seed;
        for byte in what.bytes() {
            seed = splitmix(&mut seed) ^ u64::from(byte);
        }
        Self { seed: self.seed, ..Self::new(seed) }
    }

    pub(super) fn throw(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let thrown = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        thrown
    }

    /// A number of the range. An empty range gives its start.
    pub(super) fn within(&mut self, range: Range<u64>) -> u64 {
        let width = range.end.saturating_sub(range.start).max(1);
        range.start + self.throw() % width
    }

    /// Yes, so often in a thousand times.
    pub(super) fn chance(&mut self, per_mille: u64) -> bool {
        // Thrown in any case, so that a rate of zero does not change what comes after.
        self.within(0..1_000) < per_mille
    }

    pub(super) fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        let index = self.throw() % u64::try_from(choices.len().max(1)).unwrap_or(1);
        choices[usize::try_from(index).unwrap_or(0)].clone()
    }

    pub(super) fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.within(range))
    }

    pub(super) fn wide(&mut self) -> u128 {
        u128::from(self.throw()) << 64 | u128::from(self.throw())
    }
}

fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitmix_gives_the_numbers_of_its_paper() {
        let mut state = 1_234_567;
        assert_eq!(splitmix(&mut state), 6_457_827_717_110_365_317);
        assert_eq!(splitmix(&mut state), 3_203_168_211_198_807_973);
    }

    #[test]
    fn one_seed_gives_one_series_and_chances_are_what_they_say() {
        let (mut one, mut other) = (Dice::new(7), Dice::new(7));
        assert!((0..100).all(|_| one.throw() == other.throw()));
        assert_ne!(one.beside("a").throw(), one.beside("b").throw());
        assert_eq!(one.beside("a").throw(), Dice::new(7).beside("a").throw());
        let hits = (0..10_000).filter(|_| one.chance(250)).count();
        assert!((2_200..2_800).contains(&hits), "{hits}");
        assert!((0..1_000).all(|_| (3..9).contains(&one.within(3..9))) && !one.chance(0) && one.chance(1_000));
    }
}
