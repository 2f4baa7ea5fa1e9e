//! The provider: takes texts or refuses them, tells so or does not, keeps a log, and sends receipts. It writes down what each phone
//! has seen, and says at once when a text leaves that must not: before its commit, out of order, or twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use raconteur_conversation::address::{Address, ConversationKey};
use raconteur_conversation::keyword::Keyword;
use raconteur_conversation::policy::{DoubtPolicy, LoopGuard, MediaCheck};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{
    DeliveryStatus, LogPage, LogUnreadable, LoggedMessage, Lookup, MediaVerdict, OutboundId, OutboundMessage,
    ProviderId, Receipt, Received, Repeat, SendError, Work,
};

use super::bugs::Bug;
use super::keywords::{self, Heed, Wish};
use super::scenario::{Delivery, Event, Line, Part, What};
use super::speech;
use super::world::{State, World};
use crate::port::{LogsReceived, Transport};

/// What the provider knows.
#[derive(Default)]
pub(super) struct Provider {
    /// What was taken, in order: together, what all phones have seen.
    pub(super) taken: Vec<OutboundMessage>,
    /// Texts whose log could not be read at least once.
    pub(super) unreadable: BTreeSet<OutboundId>,
    /// Texts that a stray word was for.
    pub(super) strayed: BTreeSet<OutboundId>,
    /// The highest word that was acknowledged on each text.
    pub(super) told: BTreeMap<OutboundId, DeliveryStatus>,
    /// Who has stopped our texts, where the provider heeds that.
    blocked: BTreeSet<ConversationKey>,
    /// How many texts have followed each other to one phone, and when the latest of them came.
    streaks: BTreeMap<ConversationKey, (u16, u64)>,
    /// What was heeded: a text that comes again changes nothing.
    heeded: BTreeSet<(ConversationKey, String)>,
}

impl Provider {
    pub(super) fn id(index: usize) -> ProviderId {
        ProviderId(format!("SM{}", index + 1))
    }

    /// A user texts: the provider hears it first.
    pub(super) fn hear(&mut self, delivery: &Delivery) {
        let Delivery { key, id, what: What::Text(work) } = delivery else { return };
        let wish = match work {
            Work::Message(message) => keywords::wish(&message.body),
            Work::Preference(Keyword::Stop) => Some(Wish::Stop),
            Work::Preference(Keyword::Start) => Some(Wish::Start),
            Work::Preference(Keyword::Help) | Work::Start(_) | Work::End | Work::DeliveryFailed(_) | Work::Send(_) => {
                None
            }
            Work::OpenPipe(_) | Work::ClosePipe { .. } | Work::NoInput { .. } | Work::TimedOut { .. } | Work::Erase => {
                None
            }
            Work::TakeOver(_) | Work::HandBack => None,
        };
        if !self.heeded.insert((key.clone(), id.clone())) {
            return;
        }
        match wish {
            Some(Wish::Stop) => {
                self.blocked.insert(key.clone());
            }
            Some(Wish::Start | Wish::Yes) => {
                self.blocked.remove(key);
            }
            Some(Wish::Help) | None => {}
        }
    }

    fn find(&self, id: OutboundId) -> Option<ProviderId> {
        self.taken.iter().position(|taken| taken.id == id).map(Self::id)
    }
}

/// The way to the provider from one process and one number.
pub(super) struct Carrier {
    pub(super) world: Arc<World>,
    pub(super) process: u32,
    pub(super) line: Line,
}

/// What becomes of a call.
#[derive(Clone, Debug)]
struct Fate {
    takes: bool,
    /// It is taken so long after the call began.
    lag: Duration,
    after: Duration,
    says: Says,
}

#[derive(Clone, Debug)]
enum Says {
    What,
    Error(SendError),
    Nothing,
    Panic,
}

impl Carrier {
    fn fate(&self, state: &mut State, key: &ConversationKey) -> Fate {
        let rate = state.scenario.trouble.send;
        let lag = if state.scenario.lags { state.dice.millis(0..300) } else { Duration::ZERO };
        let after = state.dice.millis(0..400);
        let (what, wait) = (state.dice.within(0..12), state.dice.millis(100..5_000));
        if state.is_down(Part::Provider) {
            let error = SendError::Unknown { reason: "the connection broke".into() };
            return Fate { takes: false, lag, after, says: Says::Error(error) };
        }
        let heeds = self.line.heed != Heed::Nobody;
        if heeds && state.provider.blocked.contains(key) {
            return Fate { takes: false, lag, after, says: Says::Error(SendError::OptedOut) };
        }
        if !state.goes_wrong(rate) {
            return Fate { takes: true, lag, after, says: Says::What };
        }
        let reason = || "as the seed would have it".to_owned();
        let (takes, says) = match what {
            0 => (false, Says::Error(SendError::Retry { after: None, reason: reason() })),
            1 => (false, Says::Error(SendError::Retry { after: Some(wait), reason: reason() })),
            2 => (false, Says::Error(SendError::Pause { after: Some(wait), reason: reason() })),
            4 if state.scenario.trouble.keywords > 0 => (false, Says::Error(SendError::OptedOut)),
            3 | 4 => (false, Says::Error(SendError::Rejected { code: "21211".into(), reason: reason() })),
            5 => (false, Says::Error(SendError::Misconfigured { code: "401".into(), reason: reason() })),
            6 => (false, Says::Error(SendError::Unknown { reason: reason() })),
            7 => (true, Says::Error(SendError::Unknown { reason: reason() })),
            8 => (true, Says::Nothing),
            9 => (false, Says::Nothing),
            10 => (true, Says::Panic),
            _ => (false, Says::Panic),
        };
        Fate { takes, lag, after, says }
    }

    /// The provider takes a text, unless it knows it already.
    fn take(&self, message: &OutboundMessage) -> ProviderId {
        let mut state = self.world.state();
        if let (Repeat::Safe, Some(known)) = (self.line.repeat, state.provider.find(message.id)) {
            return known;
        }
        let checked = self.may_leave(&state, message);
        state.check(checked);
        let checked = self.is_no_loop(&mut state, &message.key);
        state.check(checked);
        let id = Provider::id(state.provider.taken.len());
        state.log(|| format!("{} sees {} as {}: {:?}", message.key.user, message.id, id.0, message.body));
        state.provider.taken.push(message.clone());
        state.counts.texts += 1;
        self.plan_receipts(&mut state, message, &id);
        id
    }

    fn may_leave(&self, state: &State, message: &OutboundMessage) -> Result<(), String> {
        let (id, user) = (message.id, &message.key.user);
        let Some(promised) = state.reference.rows.get(&id) else {
            return Err(format!("{user}: text {id} leaves, and no commit has it"));
        };
        if promised.body != message.body || promised.media != message.media || promised.key != message.key {
            return Err(format!("{user}: text {id} leaves with other words than it was committed with"));
        }
        let texts = state.reference.texts(&message.key);
        let place = |id: OutboundId| texts.iter().position(|text| *text == id);
        let mine = state.provider.taken.iter().filter(|taken| taken.key == message.key);
        let mut seen = mine.map(|taken| taken.id);
        let is_repeat = seen.clone().any(|taken| taken == id);
        let nobody_can_tell = self.line.repeat == Repeat::Never || state.provider.unreadable.contains(&id);
        if is_repeat && !(self.line.policy.send.doubt == DoubtPolicy::Resend && nobody_can_tell) {
            return Err(format!("{user}: text {id} is sent twice"));
        }
        // In the order of their commits, or, after a restart, of what they answer.
        match seen.find(|taken| place(*taken) > place(id) && *taken > id) {
            // Where no log is asked, a conversation that has failed gives up at once what may still be on its way.
            Some(_) if self.line.repeat == Repeat::Never && state.scenario.poisons > 0 => Ok(()),
            Some(later) if !is_repeat => Err(format!("{user}: text {id} leaves after {later}")),
            Some(_) | None => Ok(()),
        }
    }

    /// A provider that looks for loops fails what follows too many texts without a break. Where the clock jumps, nobody can keep one.
    fn is_no_loop(&self, state: &mut State, key: &ConversationKey) -> Result<(), String> {
        let (Some(guard), true) = (self.line.manners.loop_guard, state.scenario.is_steady()) else { return Ok(()) };
        let now = state.time();
        let (texts, latest) = state.provider.streaks.get(key).copied().unwrap_or_default();
        let goes_on = Duration::from_millis(now - latest) < guard.within;
        let texts = if goes_on { texts + 1 } else { 1 };
        state.provider.streaks.insert(key.clone(), (texts, now));
        if texts <= guard.texts {
            return Ok(());
        }
        Err(format!("{}: {texts} texts have followed each other, and {} are allowed", key.user, guard.texts))
    }

    /// Words on a text: in any order, repeated, late.
    fn plan_receipts(&self, state: &mut State, message: &OutboundMessage, id: &ProviderId) {
        let rate = state.scenario.trouble.receipts;
        let statuses = [
            DeliveryStatus::Queued,
            DeliveryStatus::Sent,
            DeliveryStatus::Delivered,
            DeliveryStatus::Undelivered,
            DeliveryStatus::Failed,
        ];
        while state.goes_wrong(rate) {
            let status = state.dice.pick(&statuses);
            let after = state.dice.pick(&[0, 5, 200, 2_000, 40_000]);
            state.plan(after, self.word(message, message.id, id, status));
        }
    }

    fn word(&self, message: &OutboundMessage, outbound: OutboundId, id: &ProviderId, status: DeliveryStatus) -> Event {
        let receipt = Receipt {
            outbound,
            provider_id: id.clone(),
            status,
            code: if status.is_failure() { "30003".into() } else { String::new() },
            reason: String::new(),
        };
        let (key, id) = (message.key.clone(), format!("{outbound} {status:?}"));
        Event::Deliver(Box::new(Delivery { key, id, what: What::Receipt(receipt) }))
    }

    /// A word on a text behind this one, which waits and was never tried: whatever it is, it must not keep that one from its phone.
    fn stray_word(&self, state: &mut State, message: &OutboundMessage) -> bool {
        let rate = state.scenario.trouble.stray;
        let behind = OutboundId { part: message.id.part + 1, ..message.id };
        let strays = state.reference.rows.contains_key(&behind) && state.goes_wrong(rate);
        if strays {
            let (outbound, provider_id) = (behind, ProviderId("SM0".into()));
            let (code, reason, status) = (String::new(), String::new(), DeliveryStatus::Sent);
            let receipt = Receipt { outbound, provider_id, status, code, reason };
            let what = What::Stray(receipt, self.process);
            state.provider.strayed.insert(behind);
            let (key, id) = (message.key.clone(), format!("stray {behind}"));
            state.plan(0, Event::Deliver(Box::new(Delivery { key, id, what })));
        }
        strays
    }
}

#[async_trait]
impl Transport for Carrier {
    async fn send(&self, message: &OutboundMessage) -> Result<ProviderId, SendError> {
        self.world.may_die(self.process, "before a send").await;
        let (tenant, user) = (&message.key.tenant, &message.key.user);
        // A receipt may prove that it was taken before the call returns: then the next one may leave.
        // Where no log is asked, or the clock has jumped, a conversation that has failed during a call need not wait for it.
        let waits = self.line.repeat == Repeat::AskLog && self.world.state().scenario.lags;
        let most = if waits { 1 } else { usize::MAX };
        let one = self.world.begin(self.process, format!("sends to {user} from {tenant}"), most);
        let _all = self.world.begin(self.process, format!("sends from {tenant}"), self.line.lane.sends_max);
        let fate = {
            let mut state = self.world.state();
            let checked = state.reference.leaves(message);
            state.check(checked);
            let fate = self.fate(&mut state, &message.key);
            state.log(|| format!("{user} send {}: {fate:?}", message.id));
            let strays = self.stray_word(&mut state, message);
            // The text behind must still be waiting when the stray word comes.
            if strays { Fate { after: fate.after + Duration::from_millis(50), ..fate } } else { fate }
        };
        if !fate.lag.is_zero() {
            self.world.pass(self.process, fate.lag).await;
        }
        let taken = fate.takes.then(|| self.take(message));
        let one = Some(one).filter(|_| taken.is_none());
        self.world.may_die(self.process, "after a send").await;
        self.world.pass(self.process, fate.after).await;
        let said = match (fate.says, taken) {
            (Says::What, Some(_)) if self.world.state().bug == Some(Bug::RetryAfterTaking) => {
                Err(SendError::Retry { after: None, reason: "it says".into() })
            }
            (Says::What, Some(id)) => Ok(id),
            (Says::What | Says::Nothing, _) => std::future::pending().await,
            (Says::Error(error), _) => self.refusal(message, error),
            (Says::Panic, _) => std::panic::resume_unwind(Box::new("the transport was told to panic")),
        };
        drop(one);
        said
    }

    async fn find(&self, message: &OutboundMessage, since: UnixMillis) -> Lookup {
        self.world.may_die(self.process, "before a look into the log").await;
        let odd = self.world.state().oddity();
        if let Some(odd) = odd {
            self.world.state().provider.unreadable.insert(message.id);
            odd.happen().await;
        }
        let mut state = self.world.state();
        let rate = state.scenario.trouble.log;
        let unreadable = state.goes_wrong(rate) || state.is_down(Part::Log);
        state.log(|| format!("{} look for {}: {}", message.key.user, message.id, !unreadable));
        if unreadable {
            state.provider.unreadable.insert(message.id);
            return Lookup::Unreadable { reason: "as the seed would have it".into() };
        }
        if state.bug == Some(Bug::EmptyLog) {
            return Lookup::Readable(Vec::new());
        }
        let taken = state.provider.taken.iter().enumerate();
        let mine = taken.filter(|(_, taken)| taken.key == message.key && taken.began_at >= since);
        let logged = mine.map(|(index, taken)| LoggedMessage {
            provider_id: Provider::id(index),
            // Providers trim.
            body: taken.body.trim().to_owned(),
        });
        Lookup::Readable(logged.collect::<Vec<_>>().into_iter().rev().collect())
    }

    fn logs_received(&self) -> LogsReceived {
        self.world.state().logs_received(&self.line.number)
    }

    async fn received_since(&self, number: &Address, since: UnixMillis, page: Option<&LogPage>) -> Received {
        self.world.may_die(self.process, "before it reads what was sent to us").await;
        let mut state = self.world.state();
        let rate = state.scenario.trouble.log;
        let unreadable = state.goes_wrong(rate) || state.is_down(Part::Log);
        state.log(|| format!("{number} read what was sent to it since {since:?} {page:?}: {}", !unreadable));
        if unreadable {
            return Received::Unreadable(LogUnreadable { reason: "as the seed would have it".into(), after: None });
        }
        if state.bug == Some(Bug::UnreadWebhooks) {
            return Received::Readable { texts: Vec::new(), next: None };
        }
        state.received.page(number, since, page)
    }

    fn repeat(&self) -> Repeat {
        self.line.repeat
    }

    fn answers_keywords(&self) -> bool {
        self.line.heed != Heed::Nobody
    }

    fn loop_guard(&self) -> Option<LoopGuard> {
        self.line.manners.loop_guard
    }

    fn text_max(&self) -> usize {
        self.line.text_max
    }

    fn media_check(&self) -> MediaCheck {
        self.line.media_check
    }

    async fn judge_media(&self, url: &str) -> MediaVerdict {
        if speech::is_never_judged(url) {
            std::future::pending::<()>().await;
        }
        let odd = self.world.state().oddity();
        // Who is never told takes it as it is.
        if let Some(odd) = odd.filter(|_| !speech::goes_as_link(url)) {
            odd.happen().await;
        }
        if speech::goes_as_link(url) {
            return MediaVerdict::AsLink { reason: "it is too large".into() };
        }
        MediaVerdict::AsMedia
    }
}

impl Carrier {
    /// A provider that recognises our ids says so of what it has, whatever else is wrong.
    fn refusal(&self, message: &OutboundMessage, error: SendError) -> Result<ProviderId, SendError> {
        let proves = !matches!(error, SendError::Unknown { .. });
        let known = self.world.state().provider.find(message.id);
        match (self.line.repeat, known) {
            (Repeat::Safe, Some(id)) if proves => Ok(id),
            (Repeat::Safe | Repeat::AskLog | Repeat::Never, _) => {
                if error == SendError::OptedOut && !self.world.is_dead(self.process) {
                    self.world.state().reference.opted_out(&message.key, message.id);
                }
                Err(error)
            }
        }
    }
}
