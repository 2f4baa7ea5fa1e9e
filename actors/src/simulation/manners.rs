//! What a number may be told about its users' ease: rapid texts as one turn, quiet hours, floods, and what its provider takes for a
//! loop. Each is drawn by some seeds, with dice of its own.

use raconteur_conversation::policy::{Gather, Policy};

use super::dice::Dice;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Manners {
    gather: Option<Gather>,
}

impl Manners {
    /// Those of the `n`th number.
    pub(super) fn draw(dice: &Dice, n: u64) -> Self {
        Self { gather: gather(&mut dice.beside(&format!("gather {n}"))) }
    }

    pub(super) fn over(&self, policy: Policy) -> Policy {
        Policy { gather: self.gather, ..policy }
    }
}

fn gather(dice: &mut Dice) -> Option<Gather> {
    let (pause, longer) = (dice.millis(30..3_000), dice.millis(0..6_000));
    dice.chance(250).then(|| Gather { pause, at_most: pause + longer })
}
