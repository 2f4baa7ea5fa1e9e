//! What a conversation and those who wake it tell each other beside its mailbox.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ractor::ActorRef;
use tokio::time::Instant;

use crate::conversation::{ConversationMsg, Fresh};

/// So many texts are handed over beside the mailbox; a conversation that does not get to them for longer looks into the store.
const HANDED_MAX: usize = 16;

/// Texts as they came: a mailbox takes them boxed, and so a list of one is small.
type Handed = Vec<Box<Fresh>>;

/// See the module.
#[derive(Default)]
pub(crate) struct Signs {
    /// How often it was woken since it last looked.
    wakes: AtomicU32,
    /// Set by a conversation that leaves because somebody else has moved it on in the store.
    pub(crate) overtaken: AtomicBool,
    /// The conversation has nothing to do, as far as it has read its messages: only then is it worth asking whether it leaves, or has
    /// missed anything. A crowded gateway looks ten times a second, and a message to each of thousands that are busy would be the most
    /// that it does.
    pub(crate) at_rest: AtomicBool,
    post: Mutex<Post>,
}

struct Post {
    /// When somebody last had something for it.
    active_at: Instant,
    /// What was accepted since the wake that it was told of, and that it has not looked at.
    fresh: Handed,
}

impl Default for Post {
    fn default() -> Self {
        Self { active_at: Instant::now(), fresh: Vec::new() }
    }
}

/// What a conversation finds when it looks.
pub(crate) struct Look {
    /// It was woken since it last looked.
    pub(crate) is_woken: bool,
    /// What came with those wakes, beside the first, which it was told of.
    pub(crate) fresh: Handed,
    /// That is all; otherwise the rest is only in the store.
    pub(crate) is_all: bool,
}

impl Signs {
    pub(crate) fn is_woken(&self) -> bool {
        self.wakes.load(Ordering::Acquire) > 0
    }

    pub(crate) fn is_at_rest(&self) -> bool {
        self.at_rest.load(Ordering::Acquire)
    }

    pub(crate) fn active_at(&self) -> Instant {
        self.post().active_at
    }

    fn post(&self) -> MutexGuard<'_, Post> {
        self.post.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes one that is not in memory, or the one that is. That is told of the first text only, and finds the others here.
    pub(crate) fn wake(&self, actor: Option<&ActorRef<ConversationMsg>>, fresh: Box<Fresh>) {
        let mut post = self.post();
        post.active_at = Instant::now();
        let before = self.wakes.fetch_add(1, Ordering::AcqRel);
        let Some(actor) = actor else { return };
        if before == 0 {
            drop(post);
            // A failing cast means that it is leaving or has failed: whoever takes its bell down finds it woken.
            let _ = actor.cast(ConversationMsg::Accepted(fresh));
        } else if post.fresh.len() < HANDED_MAX {
            post.fresh.push(fresh);
        }
    }

    /// Hints that there is something in the store. Whether it is the first since the conversation has looked.
    pub(crate) fn hint(&self) -> bool {
        self.wakes.fetch_add(1, Ordering::AcqRel) == 0
    }

    /// From now on it counts as not woken.
    pub(crate) fn look(&self) -> Look {
        let mut post = self.post();
        let wakes = self.wakes.swap(0, Ordering::AcqRel) as usize;
        let fresh = std::mem::take(&mut post.fresh);
        Look { is_woken: wakes > 0, is_all: wakes <= 1 + fresh.len(), fresh }
    }
}

#[cfg(test)]
mod tests {
    use raconteur_conversation::time::UnixMillis;
    use raconteur_conversation::words::{Sequence, Work, WorkRecord};
    use ractor::{Actor, ActorProcessingErr};
    use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

    use super::*;

    /// Tells of which text it was told.
    struct Told(UnboundedSender<Sequence>);

    impl Actor for Told {
        type Msg = ConversationMsg;
        type State = ();
        type Arguments = ();

        async fn pre_start(&self, _: ActorRef<ConversationMsg>, (): ()) -> Result<(), ActorProcessingErr> {
            Ok(())
        }

        async fn handle(
            &self,
            _: ActorRef<ConversationMsg>,
            message: ConversationMsg,
            (): &mut (),
        ) -> Result<(), ActorProcessingErr> {
            let ConversationMsg::Accepted(fresh) = message else { panic!("{message:?}") };
            self.0.send(fresh.record.sequence)?;
            Ok(())
        }
    }

    fn fresh(number: u64) -> Box<Fresh> {
        let (sequence, accepted_at) = (Sequence(number), UnixMillis(0));
        let record = WorkRecord { sequence, accepted_at, seed: 0, attempts: 0, alone: false, work: Work::End };
        Box::new(Fresh { record, behind: None })
    }

    #[tokio::test]
    async fn it_is_told_of_the_first_text_and_finds_the_others_when_it_looks() {
        let (told, mut hears) = unbounded_channel();
        let (actor, ended) = Actor::spawn(None, Told(told), ()).await.unwrap();
        let signs = Signs::default();
        for round in 0..2 {
            (0..3).for_each(|number| signs.wake(Some(&actor), fresh(10 * round + number)));
            assert_eq!(hears.recv().await, Some(Sequence(10 * round)));
            let Look { is_woken, fresh, is_all } = signs.look();
            let found: Vec<u64> = fresh.iter().map(|fresh| fresh.record.sequence.0).collect();
            assert_eq!((is_woken, is_all, found), (true, true, vec![10 * round + 1, 10 * round + 2]));
            assert!(!signs.look().is_woken);
        }
        actor.drain().unwrap();
        ended.await.unwrap();
        assert_eq!(hears.recv().await, None, "it was told of more");
    }

    #[tokio::test]
    async fn whoever_is_not_handed_everything_is_told_to_look_into_the_store() {
        let (told, _hears) = unbounded_channel();
        let (actor, ended) = Actor::spawn(None, Told(told), ()).await.unwrap();
        let signs = Signs::default();
        signs.wake(None, fresh(1));
        signs.wake(Some(&actor), fresh(2));
        assert!(!signs.hint());
        let Look { is_woken, fresh: found, is_all } = signs.look();
        assert_eq!((is_woken, found.len(), is_all), (true, 1, false));
        for (texts, is_all) in [(1 + HANDED_MAX, true), (2 + HANDED_MAX, false)] {
            (0..texts as u64).for_each(|number| signs.wake(Some(&actor), fresh(number)));
            let found = signs.look();
            assert_eq!((found.fresh.len(), found.is_all), (HANDED_MAX, is_all), "{texts}");
        }
        actor.drain().unwrap();
        ended.await.unwrap();
    }
}
