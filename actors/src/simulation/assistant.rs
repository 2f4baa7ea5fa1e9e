//! The scripted assistant and the voice gateway: they answer at once or slowly, never, with errors, or panic. What they say is
//! `speech.rs`'s.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use raconteur_conversation::address::Address;
use raconteur_conversation::words::{Answer, AskError, AskInput, Forward, Question, SessionEnd, Token};

use super::bugs::Bug;
use super::scenario::Part;
use super::speech::speech;
use super::world::{UnderWay, World};
use crate::port::{Assistant, Forwarder};

/// An assistant for one process.
pub(super) struct Scripted {
    pub(super) world: Arc<World>,
    pub(super) process: u32,
}

/// A voice gateway for one process.
pub(super) struct Voice(pub(super) Scripted);

/// What happens to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    Answered(Duration),
    Never,
    Fails(AskError),
    Panics,
}

impl Scripted {
    fn fate(&self, per_mille: fn(&super::scenario::Trouble) -> u64) -> Fate {
        let mut state = self.world.state();
        let rate = per_mille(&state.scenario.trouble);
        let down = || AskError::Unavailable { after: None, reason: "it is down".into() };
        if state.is_down(Part::Assistant) {
            return Fate::Fails(down());
        }
        let slow = state.dice.chance(300);
        let takes = state.dice.millis(if slow { 100..12_000 } else { 0..100 });
        let what = state.dice.within(0..8);
        if !state.goes_wrong(rate) {
            return Fate::Answered(if state.healthy { Duration::ZERO } else { takes });
        }
        let reason = || "as the seed would have it".to_owned();
        match what {
            0 => Fate::Never,
            1 => Fate::Panics,
            2 => Fate::Fails(AskError::Rejected { reason: reason() }),
            3 => Fate::Fails(AskError::Misconfigured { reason: reason() }),
            4 => Fate::Fails(AskError::Malformed { reason: reason() }),
            5 => Fate::Fails(AskError::Timeout(takes)),
            6 => Fate::Fails(AskError::Unavailable { after: Some(takes), reason: reason() }),
            _ => Fate::Fails(down()),
        }
    }

    /// One ask of a conversation at a time, and no more of a tenant than its lane allows.
    fn under_way(&self, tenant: &Address, user: Option<&Address>) -> [Option<UnderWay>; 2] {
        let most = self.world.state().scenario.line(tenant).lane.asks_max;
        let one = user.map(|user| self.world.begin(self.process, format!("asks of {user} to {tenant}"), 1));
        [one, Some(self.world.begin(self.process, format!("asks to {tenant}"), most))]
    }

    /// Comes to its end, or does not; a turn that ends badly is remembered.
    async fn meet(&self, fate: Fate, token: Token) -> Result<(), AskError> {
        self.world.may_die(self.process, "before the assistant has heard").await;
        let mut failing = Failing { world: Arc::clone(&self.world), process: self.process, token, is_over: false };
        let met = match fate {
            Fate::Answered(takes) => {
                self.world.pass(self.process, takes).await;
                Ok(())
            }
            Fate::Never => std::future::pending().await,
            Fate::Fails(error) => Err(error),
            Fate::Panics => std::panic::resume_unwind(Box::new("the assistant was told to panic")),
        };
        failing.is_over = met.is_ok();
        drop(failing);
        self.world.may_die(self.process, "after the assistant has answered").await;
        met
    }
}

/// Remembers that an attempt has failed, unless it is over well: also when it is dropped.
struct Failing {
    world: Arc<World>,
    process: u32,
    token: Token,
    is_over: bool,
}

impl Drop for Failing {
    fn drop(&mut self) {
        if !self.is_over && !self.world.is_dead(self.process) {
            *self.world.state().failed.entry(self.token.turn).or_default() += 1;
        }
    }
}

#[async_trait]
impl Assistant for Scripted {
    async fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        if self.world.is_dead(self.process) {
            std::future::pending::<()>().await;
        }
        let key = &question.key;
        let _under_way = self.under_way(&key.tenant, Some(&key.user));
        let said = match &question.input {
            AskInput::Start => "welcome",
            AskInput::Text(_) | AskInput::Choice { .. } | AskInput::Signal(_) => question.input.text(),
        };
        let fate = self.fate(|trouble| trouble.ask);
        self.world.log(|| format!("{} ask {} {said:?}: {fate:?}", key.user, question.token));
        {
            let mut state = self.world.state();
            state.counts.asks += 1;
            state.opens(key, question.token);
            state.forwarded.remove(&(self.process, question.token.turn));
        }
        self.meet(fate, question.token).await?;
        let kept = question.state.as_ref().filter(|_| self.world.state().bug != Some(Bug::ForgottenContext));
        let before = kept.and_then(|state| state.data.get().parse::<u32>().ok()).unwrap_or(0);
        Ok(speech(said, before + 1).answer(before + 1))
    }

    async fn end(&self, end: &SessionEnd) {
        if self.world.is_dead(self.process) {
            return;
        }
        let _under_way = self.under_way(&end.key.tenant, None);
        self.world.log(|| format!("{} hears that its session has ended: {:?}", end.key.user, end.reason));
        let odd = self.world.state().oddity();
        if let Some(odd) = odd {
            odd.happen().await;
        }
    }
}

#[async_trait]
impl Forwarder for Voice {
    async fn forward(&self, forward: &Forward) -> Result<(), AskError> {
        let Self(scripted) = self;
        if scripted.world.is_dead(scripted.process) {
            std::future::pending::<()>().await;
        }
        let key = &forward.key;
        let _under_way = scripted.under_way(&key.tenant, Some(&key.user));
        let fate = scripted.fate(|trouble| trouble.forward);
        scripted.world.state().opens(key, forward.token);
        scripted.world.state().forwarded.insert((scripted.process, forward.token.turn));
        scripted.world.log(|| format!("{} forward {} {:?}: {fate:?}", key.user, forward.token, forward.body));
        scripted.meet(fate, forward.token).await
    }
}
