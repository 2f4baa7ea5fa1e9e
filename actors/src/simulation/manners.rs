//! What a number may be told about its users' ease: rapid texts as one turn, quiet hours, floods, and what its provider takes for a
//! loop; and whether it keeps a log of what they send. Each is drawn by some seeds, with dice of its own.

use std::time::Duration;

use raconteur_conversation::policy::{FloodLimit, Gather, LoopGuard, Policy};
use raconteur_conversation::quiet::{Offset, QuietHours};
use raconteur_conversation::time::UnixMillis;

use super::dice::Dice;
use super::world::BEGINNING;
use crate::port::LogsReceived;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Manners {
    gather: Option<Gather>,
    quiet: Option<QuietHours>,
    flood: Option<FloodLimit>,
    /// What the provider takes for a loop.
    pub(super) loop_guard: Option<LoopGuard>,
    /// Whether the provider's log of what users send can be read.
    pub(super) received: LogsReceived,
}

impl Manners {
    /// Those of the `n`th number.
    pub(super) fn draw(dice: &Dice, n: u64) -> Self {
        let beside = |what: &str| dice.beside(&format!("{what} {n}"));
        Self {
            gather: gather(&mut beside("gather")),
            quiet: quiet(&mut beside("quiet")),
            flood: flood(&mut beside("flood")),
            loop_guard: loop_guard(&mut beside("loop")),
            received: beside("received").pick(&[LogsReceived::Yes, LogsReceived::No, LogsReceived::No]),
        }
    }

    pub(super) fn over(&self, policy: Policy) -> Policy {
        Policy { gather: self.gather, quiet_hours: self.quiet.clone(), flood: self.flood, ..policy }
    }
}

fn gather(dice: &mut Dice) -> Option<Gather> {
    let (pause, longer) = (dice.millis(30..3_000), dice.millis(0..6_000));
    dice.chance(250).then(|| Gather { pause, at_most: pause + longer })
}

/// Some minutes of the first ones, by a clock somewhere on earth, which perhaps is put forward or back meanwhile.
fn quiet(dice: &mut Dice) -> Option<QuietHours> {
    let zone = dice.pick(&[0, 3_600, -18_000, 20_700]);
    let (first, minutes) = (dice.within(0..5), dice.within(1..6));
    let (change, at) = (dice.pick(&[0, 0, 0, -120, -60, 60, 120]), dice.millis(0..300_000));
    let day = 24 * 60;
    let minute_of = |at: UnixMillis| (at.0 / 60_000).saturating_add_signed(i64::from(zone) / 60) % day;
    let from = (minute_of(BEGINNING) + first) % day;
    let minute = |minute: u64| u16::try_from(minute % day).unwrap_or(0);
    let mut offsets = vec![Offset { from: UnixMillis(0), seconds: zone }];
    if change != 0 {
        offsets.push(Offset { from: UnixMillis(BEGINNING.plus(at).0 / 60_000 * 60_000), seconds: zone + change });
    }
    dice.chance(250).then(|| QuietHours { from: minute(from), to: minute(from + minutes), offsets })
}

fn flood(dice: &mut Dice) -> Option<FloodLimit> {
    let (turns, within) = (dice.within(1..5), dice.millis(1_000..60_000));
    dice.chance(250).then(|| FloodLimit { turns: u32::try_from(turns).unwrap_or(1), within })
}

fn loop_guard(dice: &mut Dice) -> Option<LoopGuard> {
    let (texts, seconds) = (dice.within(3..8), dice.within(1..15));
    dice.chance(250)
        .then(|| LoopGuard { texts: u16::try_from(texts).unwrap_or(3), within: Duration::from_secs(seconds) })
}
