//! The phones that are connected, by conversation. Memory is bounded by their number: each conversation with a listener has one
//! ring of texts, one without has nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{OutboundId, OutboundMessage};
use serde::Serialize;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// How many texts a phone may be behind before it reads the transcript instead.
pub(super) const BEHIND_MAX: usize = 64;

/// A text as a phone gets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Text {
    pub(super) id: OutboundId,
    pub(super) body: String,
    pub(super) media: Vec<String>,
    pub(super) at: UnixMillis,
}

impl From<&OutboundMessage> for Text {
    fn from(message: &OutboundMessage) -> Self {
        Self { id: message.id, body: message.body.clone(), media: message.media.clone(), at: message.began_at }
    }
}

/// Why a phone cannot listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoLine {
    #[error("{0} phones are connected, which is all that phones_max allows: hang one up or raise it")]
    Full(usize),
    #[error("the gateway is going down: come again")]
    Closed,
}

/// Who listens to which conversation.
pub(super) struct Live {
    lines: Mutex<Lines>,
    phones_max: usize,
}

#[derive(Default)]
struct Lines {
    by_key: BTreeMap<ConversationKey, broadcast::Sender<Arc<Text>>>,
    phones: usize,
    closed: bool,
}

impl Live {
    pub(super) fn new(phones_max: usize) -> Self {
        Self { lines: Mutex::default(), phones_max }
    }

    /// Shows a text to everybody who listens. Nothing is made or kept when nobody does.
    pub(super) fn show(&self, key: &ConversationKey, text: impl FnOnce() -> Text) {
        if let Some(line) = self.lines().by_key.get(key) {
            // An error would mean that the last listener has just gone: the transcript has the text.
            let _ = line.send(Arc::new(text()));
        }
    }

    /// From now on nothing shown to `key` is missed.
    pub(super) fn listen(live: &Arc<Self>, key: &ConversationKey) -> Result<Listener, NoLine> {
        let mut lines = live.lines();
        if lines.closed {
            return Err(NoLine::Closed);
        }
        if lines.phones >= live.phones_max {
            return Err(NoLine::Full(lines.phones));
        }
        lines.phones += 1;
        let line = lines.by_key.entry(key.clone()).or_insert_with(|| broadcast::Sender::new(BEHIND_MAX));
        Ok(Listener { texts: line.subscribe(), key: key.clone(), live: Arc::clone(live) })
    }

    /// Hangs everybody up.
    pub(super) fn close(&self) {
        let mut lines = self.lines();
        lines.closed = true;
        lines.by_key.clear();
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        // No step under this lock can leave the map half changed.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One phone's ear. Dropping it hangs up.
pub(super) struct Listener {
    texts: broadcast::Receiver<Arc<Text>>,
    key: ConversationKey,
    live: Arc<Live>,
}

impl Listener {
    /// The next text. `Lagged` when some were missed, `Closed` when no more will come. May be cancelled without loss.
    pub(super) async fn heard(&mut self) -> Result<Arc<Text>, RecvError> {
        self.texts.recv().await
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut lines = self.live.lines();
        lines.phones = lines.phones.saturating_sub(1);
        // This listener still counts.
        if lines.by_key.get(&self.key).is_some_and(|line| line.receiver_count() <= 1) {
            lines.by_key.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raconteur_conversation::address::Address;
    use raconteur_conversation::words::Sequence;

    fn key(user: &str) -> ConversationKey {
        ConversationKey { tenant: Address::parse("+15550100").unwrap(), user: Address::parse(user).unwrap() }
    }

    fn text(turn: u64) -> Text {
        let id = OutboundId { turn: Sequence(turn), part: 0 };
        Text { id, body: format!("text {turn}"), media: Vec::new(), at: UnixMillis(turn) }
    }

    fn size(live: &Live) -> (usize, usize) {
        let lines = live.lines();
        (lines.by_key.len(), lines.phones)
    }

    #[tokio::test]
    async fn every_listener_of_a_conversation_hears_a_text_and_no_other_does() {
        let live = Arc::new(Live::new(10));
        let mut mine = Live::listen(&live, &key("+15550199")).unwrap();
        let mut also_mine = Live::listen(&live, &key("+15550199")).unwrap();
        let mut other = Live::listen(&live, &key("+15550198")).unwrap();
        live.show(&key("+15550199"), || text(1));
        live.show(&key("+15550198"), || text(2));
        assert_eq!(mine.heard().await.unwrap().id.turn, Sequence(1));
        assert_eq!(also_mine.heard().await.unwrap().id.turn, Sequence(1));
        assert_eq!(other.heard().await.unwrap().id.turn, Sequence(2));
    }

    #[test]
    fn nothing_is_kept_when_the_last_listener_has_gone() {
        let live = Arc::new(Live::new(10));
        let one = Live::listen(&live, &key("+15550199")).unwrap();
        let two = Live::listen(&live, &key("+15550199")).unwrap();
        drop(one);
        assert_eq!(size(&live), (1, 1));
        drop(two);
        assert_eq!(size(&live), (0, 0));
        live.show(&key("+15550199"), || panic!("made a text for nobody"));
    }

    #[test]
    fn one_phone_too_many_is_refused_until_another_hangs_up() {
        let live = Arc::new(Live::new(1));
        let first = Live::listen(&live, &key("+15550199")).unwrap();
        assert_eq!(Live::listen(&live, &key("+15550198")).err(), Some(NoLine::Full(1)));
        drop(first);
        assert!(Live::listen(&live, &key("+15550198")).is_ok());
        live.close();
        assert_eq!(Live::listen(&live, &key("+15550198")).err(), Some(NoLine::Closed));
    }
}
