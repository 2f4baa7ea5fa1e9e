//! One file per kind of input; each adds its handlers to [`crate::Step`]. After every input, [`crate::Step::advance`] starts
//! whatever can be started, so that no handler needs to know what was waiting.

mod answer;
mod assistant;
mod control;
mod deadline;
mod delivery;
mod erasure;
mod inbound;
mod keyword;
mod next;
mod quiet;
mod takeover;

pub(crate) use next::Held;

use crate::Step;
use crate::effect::Effect;

impl Step<'_> {
    /// Starts what can be started: control requests, the next text, the next send. In this order: what was requested comes
    /// first. A text that is given up, or goes to rest, makes room in the outbox, for which a request or the next turn may have waited.
    pub(crate) fn advance(&mut self) {
        loop {
            self.take_controls();
            self.take_next_text();
            let (all, on_their_way) = (self.conversation.outbox.len(), self.conversation.outbox.on_their_way());
            self.tend_outbox();
            let outbox = &self.conversation.outbox;
            if outbox.len() >= all && outbox.on_their_way() >= on_their_way {
                return;
            }
        }
    }

    pub(crate) fn emit(&mut self, effect: Effect) {
        self.effects.push(effect);
    }
}

#[cfg(test)]
pub(crate) mod script;
