//! The provider's log of what users have sent to us. A text whose webhook was refused, or that came while no process ran, may be found
//! only there: the gateway must look for it, and take it once. Keywords are not lost: what they are worth depends on when they come.

use std::collections::{BTreeMap, BTreeSet};

use raconteur_conversation::address::{Address, ConversationKey};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{LogPage, LoggedText, Received, Sequence, Work};

use super::keywords;
use super::scenario::{Delivery, Event, What};
use super::world::State;
use crate::port::LogsReceived;

/// So many texts stand on one page.
const PAGE: usize = 3;
/// How often, in a thousand times, a text is not brought again.
const LOST: u64 = 500;

/// A user's text, by what the provider calls it.
type Name = (ConversationKey, String);

/// See the module.
#[derive(Default)]
pub(super) struct ReceivedLog {
    /// In order, oldest first.
    texts: Vec<LoggedText>,
    /// Nobody brings these any more.
    lost: BTreeSet<Name>,
    /// What was accepted, whoever has brought it.
    pub(super) taken: BTreeMap<Name, Sequence>,
}

impl ReceivedLog {
    /// Everything that is only here was found.
    pub(super) fn is_read(&self) -> bool {
        self.lost.is_empty()
    }

    /// What was sent to a number before it was first noted is nobody's business.
    pub(super) fn forgive(&mut self, number: &Address) {
        self.lost.retain(|(key, _)| key.tenant != *number);
    }

    /// Something was accepted.
    pub(super) fn accepted(&mut self, key: &ConversationKey, id: &str, sequence: Sequence) -> Result<(), String> {
        if !self.texts.iter().any(|text| text.key == *key && text.id == id) {
            return Ok(());
        }
        let name = (key.clone(), id.to_owned());
        self.lost.remove(&name);
        match self.taken.insert(name, sequence) {
            Some(known) if known != sequence => Err(format!("{}: {id} was taken as {known} and {sequence}", key.user)),
            Some(_) | None => Ok(()),
        }
    }

    /// One page, newest first.
    pub(super) fn page(&self, number: &Address, since: UnixMillis, page: Option<&LogPage>) -> Received {
        let end = page.and_then(|page| page.0.parse().ok()).unwrap_or(self.texts.len()).min(self.texts.len());
        let start = end.saturating_sub(PAGE);
        let (on_page, before) = (&self.texts[start..end], &self.texts[..start]);
        let is_meant = |text: &&LoggedText| text.key.tenant == *number && text.at >= since;
        let texts = on_page.iter().rev().filter(is_meant).cloned().collect();
        let more = before.iter().any(|text| is_meant(&text));
        Received::Readable { texts, next: more.then(|| LogPage(start.to_string())) }
    }
}

impl State {
    /// Only where the clock never jumps: the log counts by the provider's.
    pub(super) fn logs_received(&self, number: &Address) -> LogsReceived {
        if self.scenario.is_steady() { self.scenario.line(number).manners.received } else { LogsReceived::No }
    }

    /// The provider writes a text down, in whole seconds.
    pub(super) fn write_down(&mut self, delivery: &Delivery, at: UnixMillis) {
        let Delivery { key, id, what: What::Text(Work::Message(message)) } = delivery else { return };
        let is_known = self.received.texts.iter().any(|text| text.key == *key && text.id == *id);
        if is_known || keywords::wish(&message.body).is_some() || self.logs_received(&key.tenant) == LogsReceived::No {
            return;
        }
        let at = UnixMillis(at.0 / 1_000 * 1_000);
        let (key, id, message) = (key.clone(), id.clone(), message.clone());
        self.received.texts.push(LoggedText { at, key, id, message, unlisted_media: 0 });
    }

    /// A text was not taken: perhaps the provider leaves it at that. Then it is in the log and nowhere else.
    pub(super) fn leaves_it_at_that(&mut self, delivery: &Delivery) -> bool {
        let name = (delivery.key.clone(), delivery.id.clone());
        let is_logged = self.received.texts.iter().any(|text| text.key == name.0 && text.id == name.1);
        if !is_logged || !self.loss_dice.chance(LOST) {
            return false;
        }
        self.log(|| format!("{} nobody brings {} again", name.0.user, name.1));
        if !self.received.taken.contains_key(&name) {
            self.received.lost.insert(name);
        }
        true
    }

    /// What users have sent while no process ran.
    pub(super) fn hear_what_came_meanwhile(&mut self) {
        let now = self.time();
        let came: Vec<(u64, u64)> = self.queue.range(..(now, 0)).map(|(at, _)| *at).collect();
        for at in came {
            let Some(Event::Deliver(delivery)) = self.queue.get(&at).cloned() else { continue };
            self.provider.hear(&delivery);
            let sent_at = self.wall().minus(std::time::Duration::from_millis(now - at.0));
            self.write_down(&delivery, sent_at);
            if self.leaves_it_at_that(&delivery) {
                self.queue.remove(&at);
            }
        }
    }
}
